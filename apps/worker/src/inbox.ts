/**
 * What the coordinator says, one message after the other. What may come at any time, and concerns no step, is done on
 * the way.
 */
import { LockstepError } from "@lockstep/errors";
import type { CoordinatorMessage } from "@lockstep/gradient-sync";
import type { Connection } from "./connection.ts";

/** The coordinator lets this worker go, where it expected something else. */
export class Dismissed extends Error {}

/** Messages that are done on the way. */
export type Aside = Extract<CoordinatorMessage, { type: "sync" | "send-state" | "state-ack" | "rejected" }>;
/** The others. */
export type Told = Exclude<CoordinatorMessage, Aside>;

export class Inbox {
  readonly #connection: Connection;
  readonly #onAside: (message: Aside) => void;

  constructor(connection: Connection, onAside: (message: Aside) => void) {
    this.#connection = connection;
    this.#onAside = onAside;
  }

  /** Whether there is time for something else: nothing has come. */
  get isIdle(): boolean {
    return this.#connection.isIdle;
  }

  /** Waits for the next message. @throws LockstepError when the connection is closed, or what it was refused for */
  async next(): Promise<Told> {
    for (;;) {
      const message = await this.#connection.receive();
      switch (message.type) {
        case "sync":
        case "send-state":
        case "state-ack":
        case "rejected":
          this.#onAside(message);
          break;
        case "refused":
          throw new LockstepError(message.code, message.reason);
        default:
          return message;
      }
    }
  }

  /** Waits for a message of this type. @throws Dismissed */
  async expect<Type extends Told["type"]>(type: Type): Promise<Extract<Told, { type: Type }>> {
    const message = await this.next();
    if (message.type === type) return message as Extract<Told, { type: Type }>;
    if (message.type === "finished") throw new Dismissed();
    throw new LockstepError("ERR_MESSAGE_ORDER", `Expected ${type} from the coordinator, got ${message.type}.`);
  }
}
