/** The coordinator package: gathers workers and trains a run with them. */

export { Admission } from "./admission/admission.ts";
export { serveSessions } from "./connections/session-server.ts";
export { coordinate, type Outcome } from "./coordinator.ts";
export type { CoordinatorOptions } from "./run/coordinator-options.ts";
export { type DistributedRun, openDistributedRun } from "./run/open-run.ts";
export type { StateSource } from "./state/initial-state.ts";
export { RemoteTeam } from "./team/remote-team.ts";
