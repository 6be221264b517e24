/** Waits until enough members are here for the next task: with fewer, the run pauses. */
import type { TeamState } from "./team-state.ts";

/** Pauses a run that has too few members, and says so. */
export class Quorum {
  readonly #state: TeamState;
  /**
   * Whether it was said that the run pauses, and not yet that it goes on. The phase does not tell: the loss of all ends the
   * pause, and that the run goes on is said when others have begun again.
   */
  #pauseLogged = false;

  constructor(state: TeamState) {
    this.#state = state;
  }

  /** Resolves when enough members take part, or the signal aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    const { condition, membership, options, progress } = this.#state;
    let waited = false;
    await condition.wait(() => {
      this.#checkPause();
      const isEnough = membership.in("in").length >= options.minWorkers;
      waited ||= !isEnough;
      return isEnough || signal.aborted;
    });
    if (waited) progress.skipTime();
  }

  /** Members that catch up count: the run goes on as soon as they have. */
  #checkPause(): void {
    const { membership, options, phase } = this.#state;
    const { run } = phase;
    const here = membership.all.filter(({ state }) => state !== "leaving").length;
    if (here >= options.minWorkers) {
      if (phase.now.name === "paused") phase.rest();
      if (this.#pauseLogged) options.log("the run goes on", "goes-on");
      this.#pauseLogged = false;
      return;
    }
    const reason = `${here} of at least ${options.minWorkers} workers are here`;
    if (run !== undefined) phase.enter({ name: "paused", run, reason });
    if (!this.#pauseLogged) options.log(`the run pauses: ${reason}; start more workers`, "paused");
    this.#pauseLogged = true;
  }
}
