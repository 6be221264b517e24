/**
 * The coordinator's messages, one after the other. Control messages, which may come at any time and concern no step,
 * are handled in between.
 */
import { LockstepError } from "@lockstep/errors";
import type { CoordinatorMessage, MessageOf } from "@lockstep/gradient-sync";
import type { Connection } from "./connection.ts";

/** Thrown where the coordinator lets this worker go, and something else was expected. */
export class Dismissed extends Error {}

/** A message that may come at any time, and is handled as soon as it is its turn. */
export type ControlMessage = MessageOf<"sync" | "send-state" | "state-ack" | "rejected">;
/** Handles a control message; if the promise that it returns rejects, so does the wait for the next message. */
export type ControlHandler = (message: ControlMessage) => Promise<void> | undefined;
/** Any other message of the coordinator. */
export type ReceivedMessage = Exclude<CoordinatorMessage, ControlMessage>;

/** Reads one connection. */
export class Inbox {
  readonly #connection: Connection;
  readonly #onControl: ControlHandler;
  /** Aborts with the error of a control message whose handling failed. */
  readonly #failed = new AbortController();

  constructor(connection: Connection, onControl: ControlHandler) {
    this.#connection = connection;
    this.#onControl = onControl;
  }

  /** Whether nothing has come, so that there is time for something else. */
  get isIdle(): boolean {
    return this.#connection.isIdle;
  }

  /**
   * Waits for the next message.
   *
   * @throws LockstepError when the connection is closed, or what it was refused for
   * @throws what the handling of a control message has failed with
   */
  async next(): Promise<ReceivedMessage> {
    for (;;) {
      const message = await this.#receive();
      switch (message.type) {
        case "sync":
        case "send-state":
        case "state-ack":
        case "rejected":
          this.#onControl(message)?.catch((error) => this.#failed.abort(error));
          break;
        case "refused":
          throw new LockstepError(message.code, message.reason);
        default:
          return message;
      }
    }
  }

  /** Waits for a message of this type. @throws Dismissed */
  async nextOfType<Type extends ReceivedMessage["type"]>(type: Type): Promise<MessageOf<Type>> {
    const message = await this.next();
    if (isOfType(message, type)) return message;
    if (message.type === "finished") throw new Dismissed();
    throw new LockstepError("ERR_MESSAGE_ORDER", `Expected ${type} from the coordinator, got ${message.type}.`);
  }

  #receive(): Promise<CoordinatorMessage> {
    const { signal } = this.#failed;
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const fail = () => reject(signal.reason);
      signal.addEventListener("abort", fail, { once: true });
      const done = () => signal.removeEventListener("abort", fail);
      this.#connection.receive().then(resolve, reject).finally(done);
    });
  }
}

function isOfType<Type extends ReceivedMessage["type"]>(
  message: ReceivedMessage,
  type: Type,
): message is MessageOf<Type> {
  return message.type === type;
}
