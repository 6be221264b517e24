/** Handles the control messages of a session, which may arrive at any time beside its steps. */
import type { MessageOf } from "@lockstep/gradient-sync";
import type { Connection } from "./connection/connection.ts";
import type { ControlMessage } from "./connection/inbox.ts";
import type { ReplicaState } from "./state/replica-state.ts";
import { StateSender } from "./state/state-sender.ts";

/** Handles the control messages of one session. */
export class SessionControl {
  readonly #connection: Connection;
  readonly #state: ReplicaState;
  readonly #log: (line: string) => void;
  readonly #sender: StateSender;

  constructor(connection: Connection, state: ReplicaState, log: (line: string) => void) {
    this.#connection = connection;
    this.#state = state;
    this.#log = log;
    this.#sender = new StateSender(connection);
  }

  /**
   * Handles a control message.
   *
   * @returns a promise of the work that continues after the call, if any
   * @throws LockstepError ERR_MESSAGE_ORDER if the message is not allowed now
   */
  handle(message: ControlMessage): Promise<void> | undefined {
    switch (message.type) {
      case "send-state":
        return this.#sendState(message);
      case "sync":
        this.#connection.send({ type: "synced" });
        return undefined;
      case "state-ack":
        this.#sender.acknowledge(message.request);
        return undefined;
      case "rejected":
        this.#logRejection(message);
        return undefined;
    }
  }

  /** Aborts the transfers under way. */
  close(): Promise<void> {
    return this.#sender.close();
  }

  #sendState(message: MessageOf<"send-state">): Promise<void> {
    const { step } = this.#state.current(message.type);
    this.#sender.assertCapacity(message.request);
    return this.#sender.send(message, step, this.#state.snapshot());
  }

  #logRejection({ step, reason }: MessageOf<"rejected">): void {
    this.#log(`the coordinator rejected this worker's gradients of step ${step}: ${reason}`);
  }
}
