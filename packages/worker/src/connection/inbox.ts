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
/** Does what a message asks for; if what goes on after the call fails, so does the wait for the next message. */
export type DoAside = (message: Aside) => Promise<void> | undefined;
/** The others. */
export type Told = Exclude<CoordinatorMessage, Aside>;

export class Inbox {
  readonly #connection: Connection;
  readonly #onAside: DoAside;
  /** What was done on the way, and has failed. */
  #failure: { error: unknown } | undefined;
  /** Those who wait for a message, to be told of a failure. */
  readonly #waiting = new Set<(error: unknown) => void>();

  constructor(connection: Connection, onAside: DoAside) {
    this.#connection = connection;
    this.#onAside = onAside;
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
  async next(): Promise<Told> {
    for (;;) {
      const message = await this.#receive();
      switch (message.type) {
        case "sync":
        case "send-state":
        case "state-ack":
        case "rejected":
          this.#onAside(message)?.catch((error) => this.#fail(error));
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
  async expect<Type extends Told["type"]>(type: Type): Promise<Extract<Told, { type: Type }>> {
    const message = await this.next();
    if (message.type === type) return message as Extract<Told, { type: Type }>;
    if (message.type === "finished") throw new Dismissed();
    throw new LockstepError("ERR_MESSAGE_ORDER", `Expected ${type} from the coordinator, got ${message.type}.`);
  }
}
