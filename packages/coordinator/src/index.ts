export { listen } from "./connections/session-server.ts";
export { type CoordinatorOptions, coordinate } from "./coordinator.ts";
export { Admission } from "./membership/admission.ts";
export { lastCheckpoint, newRun, type RunStart, resumedRun } from "./run-start.ts";
export type { Origin } from "./state/beginning.ts";
export { RemoteTeam } from "./team/remote-team.ts";
