/** A worker's share of a run, which outlives its connections. */
import { LockstepError } from "@lockstep/errors";
import { LapClock, type PreparedRun } from "@lockstep/training";
import type { Connection } from "./connection/connection.ts";
import type { ControlMessage, Inbox } from "./connection/inbox.ts";
import { WorkerSession } from "./session.ts";
import { ReplicaState } from "./state/replica-state.ts";

/** Holds the replica of a run, and serves the coordinator in one session after another. */
export class Participant {
  readonly #run: PreparedRun;
  readonly #log: (line: string) => void;
  readonly #clock = new LapClock();
  readonly #state: ReplicaState;
  #session: WorkerSession | undefined;

  constructor(run: PreparedRun, log: (line: string) => void) {
    this.#run = run;
    this.#log = log;
    this.#state = new ReplicaState(run);
  }

  /** Warms up the device. @throws LockstepError ERR_TENSOR_SIZE if a tensor of the model is too large for the GPU */
  warmUp(): Promise<void> {
    return this.#state.warmUp();
  }

  /** Number of steps that the held weights have; undefined if they are not those of the run. */
  get doneSteps(): number | undefined {
    return this.#state.step;
  }

  /** Returns the held state as a restarted coordinator needs it: the run and its number of updates. */
  heldState(run: string): { run: string; step: number } | undefined {
    const { step } = this.#state;
    return step === undefined ? undefined : { run, step };
  }

  /**
   * Serves the coordinator until the run is over or this worker may leave.
   *
   * @throws Dismissed at that point
   * @throws LockstepError when the connection ends; the replica then has the state after the last complete step
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
   * Handles a control message.
   *
   * @returns a promise of the work that continues after the call, if any
   * @throws LockstepError ERR_MESSAGE_ORDER if the message is not allowed now
   */
  handleControl(message: ControlMessage): Promise<void> | undefined {
    if (this.#session !== undefined) return this.#session.handleControl(message);
    throw new LockstepError("ERR_MESSAGE_ORDER", `Expected this worker to be ready before ${message.type}.`);
  }

  dispose(): void {
    this.#state.dispose();
  }
}
