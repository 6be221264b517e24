export type { Origin } from "./beginning.ts";
export { type CoordinatorOptions, coordinate } from "./coordinator.ts";
export { FittingWorkers } from "./fitting-workers.ts";
export { RemoteTeam } from "./remote-team.ts";
export { lastCheckpoint, newRun, type RunStart, resumedRun } from "./run-start.ts";
export { listen, type Session } from "./sessions.ts";
