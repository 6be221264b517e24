/** A worker: it joins a coordinator and computes for it. */
export type { Connection } from "./connection/connection.ts";
export { Dismissed, Inbox } from "./connection/inbox.ts";
export { connect } from "./connection/socket-connection.ts";
export { CoordinatorExchange } from "./exchange/coordinator-exchange.ts";
export { Participant } from "./participant.ts";
export { type LocalWorkers, startLocalWorkers } from "./program/local-workers.ts";
export type { WorkerFailure } from "./program/parent.ts";
export { readyMessage } from "./ready.ts";
export { type WorkerOptions, work } from "./worker.ts";
