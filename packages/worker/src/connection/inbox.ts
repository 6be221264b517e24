/**
 * The coordinator's messages, one after the other. Control messages, which may come at any time and concern no step,
 * are handled in between.
 */
import { LockstepError } from "@lockstep/errors";
import type { CoordinatorMessage } from "@lockstep/gradient-sync";
import type { Connection } from "./connection.ts";

/** The coordinator lets this worker go, where it expected something else. */
export class Dismissed extends Error {}

/** A message that may come at any time, and is handled as soon as it is its turn. */
export type ControlMessage = Extract<CoordinatorMessage, { type: "sync" | "send-state" | "state-ack" | "rejected" }>;
/** Handles a control message; if the promise that it returns rejects, so does the wait for the next message. */
export type ControlHandler = (message: ControlMessage) => Promise<void> | undefined;
/** Any other message of the coordinator. */
export type ReceivedMessage = Exclude<CoordinatorMessage, ControlMessage>;

export class Inbox {
  readonly #connection: Connection;
  readonly #onControl: ControlHandler;
  /** Why the handling of a control message failed. */
  #failure: { error: unknown } | undefined;
  /** Those who wait for a message, to be told of a failure. */
  readonly #waiting = new Set<(error: unknown) => void>();

  constructor(connection: Connection, onControl: ControlHandler) {
    this.#connection = connection;
    this.#onControl = onControl;
  }

  /** Whether there is time for something else: nothing has come. */
  get isIdle(): boolean {
    return this.#connection.isIdle;
  }

  /**
   * Waits for the next message.
   *
   * @throws LockstepError when the connection is closed, or what it was refused for
   * @throws what something that is done on the way has failed with
   */
  async next(): Promise<ReceivedMessage> {
    for (;;) {
      const message = await this.#receive();
      switch (message.type) {
        case "sync":
        case "send-state":
        case "state-ack":
        case "rejected":
          this.#onControl(message)?.catch((error) => this.#fail(error));
          break;
        case "refused":
          throw new LockstepError(message.code, message.reason);
        default:
          return message;
      }
    }
  }

  #receive(): Promise<CoordinatorMessage> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) throw this.#failure.error;
      this.#waiting.add(reject);
      const done = () => this.#waiting.delete(reject);
      this.#connection.receive().then(resolve, reject).finally(done);
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    for (const reject of this.#waiting) reject(error);
  }

  /** Waits for a message of this type. @throws Dismissed */
  async expect<Type extends ReceivedMessage["type"]>(type: Type): Promise<Extract<ReceivedMessage, { type: Type }>> {
    const message = await this.next();
    if (message.type === type) return message as Extract<ReceivedMessage, { type: Type }>;
    if (message.type === "finished") throw new Dismissed();
    throw new LockstepError("ERR_MESSAGE_ORDER", `Expected ${type} from the coordinator, got ${message.type}.`);
  }
}
