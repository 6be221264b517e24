/** The contract between sessions and admission: admission decides who becomes a member and who handles its messages. */
import type { LockstepError } from "@lockstep/errors";
import type { WorkerMessage } from "@lockstep/gradient-sync";
import type { ReadySession } from "./ready-session.ts";

/**
 * Handles each message that a member sends once it is admitted, in order.
 *
 * @throws LockstepError if the member may not send this message now; its session ends with that error
 */
export type MessageHandler = (message: WorkerMessage) => void;

/** A worker that gave up or was refused. Times are in milliseconds, by the coordinator's clock. */
export interface RefusedWorker {
  name: string;
  address: string;
  connectedMs: number;
  /** Time at which bytes last arrived from it. */
  heardMs: number;
}

/**
 * Decides which workers become members, and is notified when they disconnect. Members' messages do not pass through it.
 */
export interface AdmissionControl {
  /**
   * Admits a worker that has built the model.
   *
   * @returns the handler of every message that it sends from then on
   * @throws LockstepError with the reason if the worker is refused
   */
  admit(session: ReadySession): MessageHandler;
  /**
   * Handles a worker that gives up, before or after it was admitted. For a member, `onDisconnected` follows.
   *
   * @param session the member's session, if the worker was admitted
   * @default nothing happens
   */
  onFailed?(worker: RefusedWorker, error: LockstepError, session?: ReadySession): void;
  /** Handles the end of a member's session. */
  onDisconnected(session: ReadySession, reason: string): void;
}
