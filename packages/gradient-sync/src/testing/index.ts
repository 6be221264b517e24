/** For tests of other packages: hostile frames. */

export { hostileFrame, pick, type Random, relabelled } from "./hostile-frames.ts";
