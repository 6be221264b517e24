/** For tests of other packages: hostile frames, and the numbers of a chunk. */

export { decodeFloats } from "./decode-floats.ts";
export { hostileFrame, pick, type Random, relabelled } from "./hostile-frames.ts";
