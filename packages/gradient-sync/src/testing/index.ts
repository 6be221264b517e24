export { hostileFrame, pick, type Random, relabelled } from "./hostile-frames.ts";
