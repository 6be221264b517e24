export { type CoordinatorOptions, coordinate } from "./coordinator.ts";
export { newRun, type RunStart, resumedRun } from "./run-start.ts";
