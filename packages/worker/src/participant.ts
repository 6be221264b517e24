/** A worker's part in a run: what it keeps through connections that end. */
import { LockstepError } from "@lockstep/errors";
import { LapClock, type PreparedRun } from "@lockstep/training";
import type { Connection } from "./connection/connection.ts";
import type { ControlMessage, Inbox } from "./connection/inbox.ts";
import { WorkerSession } from "./session.ts";
import { HeldState } from "./state/held-state.ts";

/** Holds the state of a run, and serves the coordinator in one session after the other. */
export class Participant {
  readonly #run: PreparedRun;
  readonly #log: (line: string) => void;
  readonly #clock = new LapClock();
  readonly #state: HeldState;
  #session: WorkerSession | undefined;

  constructor(run: PreparedRun, log: (line: string) => void) {
    this.#run = run;
    this.#log = log;
    this.#state = new HeldState(run);
  }

  /** Takes a step on zeros. @throws LockstepError ERR_TENSOR_SIZE if the GPU does not take a tensor of the model */
  warmUp(): Promise<void> {
    return this.#state.warmUp();
  }

  /** Returns what it holds, for a coordinator that was started again. */
  heldState(run: string): { run: string; step: number } | undefined {
    const { step } = this.#state;
    return step === undefined ? undefined : { run, step };
  }

  /**
   * Serves the coordinator until it says that the run is over or that this worker may leave.
   *
   * @throws Dismissed then
   * @throws LockstepError when the connection ends; the replica is then as it was after the last whole step
   */
  async serve(connection: Connection, inbox: Inbox): Promise<never> {
    const context = { run: this.#run, state: this.#state, clock: this.#clock, log: this.#log };
    const session = new WorkerSession(context, connection, inbox);
    this.#session = session;
    try {
      return await session.serve();
    } finally {
      this.#session = undefined;
      await session.close();
    }
  }

  /**
   * Handles what may be asked for at any time of a session.
   *
   * @returns what goes on after the call, if anything does
   * @throws LockstepError ERR_MESSAGE_ORDER for what may not be asked for now
   */
  handleControl(message: ControlMessage): Promise<void> | undefined {
    if (this.#session !== undefined) return this.#session.handleControl(message);
    throw new LockstepError("ERR_MESSAGE_ORDER", `The coordinator sent ${message.type} before this worker took part.`);
  }

  dispose(): void {
    this.#state.dispose();
  }
}
