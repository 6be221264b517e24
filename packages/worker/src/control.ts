/** What the coordinator may ask of a worker at any time of a session, beside its steps. */
import type { MessageOf } from "@lockstep/gradient-sync";
import type { Connection } from "./connection/connection.ts";
import type { ControlMessage } from "./connection/inbox.ts";
import type { HeldState } from "./state/held-state.ts";
import { StateSender } from "./state/state-sender.ts";

/** Handles the control messages of one session. */
export class SessionControl {
  readonly #connection: Connection;
  readonly #state: HeldState;
  readonly #log: (line: string) => void;
  readonly #sender: StateSender;

  constructor(connection: Connection, state: HeldState, log: (line: string) => void) {
    this.#connection = connection;
    this.#state = state;
    this.#log = log;
    this.#sender = new StateSender(connection);
  }

  /**
   * Handles a control message.
   *
   * @returns what goes on after the call, if anything does
   * @throws LockstepError ERR_MESSAGE_ORDER for what may not be asked for now
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

  /** Ends what is being sent. */
  close(): Promise<void> {
    return this.#sender.close();
  }

  #sendState(message: MessageOf<"send-state">): Promise<void> {
    const { step } = this.#state.current(message.type);
    this.#sender.assertCapacity(message.request);
    return this.#sender.send(message, step, this.#state.snapshot());
  }

  #logRejection({ slice, step, reason }: MessageOf<"rejected">): void {
    this.#log(`the coordinator refused what this worker sent for slice ${slice} of step ${step}: ${reason}`);
  }
}
