/** Trains on this machine, in this process alone. @lockstep/trainer/with-workers starts processes beside it. */
export type { RunView } from "./run-view.ts";
export { trainInProcess } from "./train-in-process.ts";
