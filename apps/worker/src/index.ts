export { type Connection, connect } from "./connection.ts";
export { CoordinatorExchange } from "./coordinator-exchange.ts";
export { Dismissed, Inbox } from "./inbox.ts";
export type { WorkerFailure } from "./parent.ts";
export { Participant } from "./participant.ts";
export { readyMessage } from "./ready.ts";
export { type WorkerOptions, work } from "./worker.ts";
