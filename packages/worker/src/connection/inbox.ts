/**
 * Reads the coordinator's messages one by one. Control messages, which may arrive at any time and belong to no step,
 * are handled in between.
 */
import { LockstepError } from "@lockstep/errors";
import type { CoordinatorMessage, MessageOf } from "@lockstep/gradient-sync";
import type { Connection } from "./connection.ts";

/** Thrown when the coordinator has finished with this worker. */
export class Dismissed extends Error {}

/** A message that may arrive at any time, and is handled when it is read. */
export type ControlMessage = MessageOf<"sync" | "send-state" | "state-ack" | "rejected">;
/** Handles a control message. If the promise that it returns rejects, `next` rejects too. */
export type ControlHandler = (message: ControlMessage) => Promise<void> | undefined;
/** Any other message from the coordinator. */
export type ReceivedMessage = Exclude<CoordinatorMessage, ControlMessage>;

/** Reads one connection. */
export class Inbox {
  readonly #connection: Connection;
  readonly #onControl: ControlHandler;
  /** Aborts with the error of the control message that could not be handled. */
  readonly #failed = new AbortController();

  constructor(connection: Connection, onControl: ControlHandler) {
    this.#connection = connection;
    this.#onControl = onControl;
  }

  /** True if no message waits, so there is time for other work. */
  get isIdle(): boolean {
    return this.#connection.isIdle;
  }

  /**
   * Waits for the next message.
   *
   * @throws LockstepError when the connection is closed, the refusal's code if the coordinator refused this worker
   * @throws the error of a control message that could not be handled
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

  /**
   * Waits for the next message, which must be of this type.
   *
   * @throws Dismissed if the coordinator has finished with this worker
   * @throws LockstepError ERR_MESSAGE_ORDER if it is of another type, or as `next`
   */
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
