export { type CoordinatorOptions, coordinate } from "./coordinator.ts";
export { FittingWorkers } from "./fitting-workers.ts";
export { type Origin, RemoteTeam } from "./remote-team.ts";
export { newRun, type RunStart, resumedRun } from "./run-start.ts";
export { listen, type Session } from "./sessions.ts";
