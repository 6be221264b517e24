/** For tests of other packages: frames that no honest peer sends. */

export { hostileFrame, pick, type Random, relabelled } from "./hostile-frames.ts";
