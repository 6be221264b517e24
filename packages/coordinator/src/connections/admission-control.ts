/** The contract between sessions and admission: who becomes a member, and who handles what a member sends. */
import type { LockstepError } from "@lockstep/errors";
import type { WorkerMessage } from "@lockstep/gradient-sync";
import type { ReadySession } from "./ready-session.ts";

/**
 * Handles each message that a member sends once it is admitted, in order.
 *
 * @throws LockstepError for a message that is not for the member to send now; its session then ends with that reason
 */
export type MessageHandler = (message: WorkerMessage) => void;

/** A worker that gave up or was refused, as its connection shows it; times are of the coordinator's clock. */
export interface RefusedWorker {
  name: string;
  address: string;
  connectedMs: number;
  /** When anything last came from it. */
  heardMs: number;
}

/** Decides which workers become members, and hears when they go; what members send in between does not pass here. */
export interface AdmissionControl {
  /**
   * Admits a worker that has built the model.
   *
   * @returns the handler of all that it sends from then on
   * @throws LockstepError the reason if it cannot be admitted
   */
  admit(session: ReadySession): MessageHandler;
  /**
   * A worker gives up, before it was admitted or afterwards; a member is `lost` next.
   *
   * @param session the one that was admitted, if it was
   * @default nothing happens
   */
  onFailed?(worker: RefusedWorker, error: LockstepError, session?: ReadySession): void;
  /** The session of a member has ended. */
  onDisconnected(session: ReadySession, reason: string): void;
}
