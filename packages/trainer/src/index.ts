/** Trains on this machine: in this process alone, or with a coordinator here and workers in processes beside it. */
export { nextStepsLine } from "./next-steps-line.ts";
export type { RunView } from "./run-view.ts";
export { trainInProcess } from "./train-in-process.ts";
export { trainWithWorkers } from "./train-with-workers.ts";
