/** Trains on this machine: in this process alone, or with a coordinator here and workers in processes beside it. */
export { nextLine } from "./next-line.ts";
export type { Shown } from "./shown.ts";
export { trainAlone } from "./train-alone.ts";
export { trainTogether } from "./train-together.ts";
