/** The worker package: a worker joins a coordinator and computes slices for it. */

export { connect } from "./connection/connect.ts";
export type { Connection } from "./connection/connection.ts";
export { Dismissed, Inbox } from "./connection/inbox.ts";
export { CoordinatorExchange } from "./exchange/coordinator-exchange.ts";
export { readyMessage } from "./introduction.ts";
export { Participant } from "./participant.ts";
export { type LocalWorkers, startLocalWorkers } from "./program/local-workers.ts";
export type { WorkerFailure } from "./program/parent.ts";
export { type WorkerOptions, work } from "./worker.ts";
