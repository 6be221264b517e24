/** The quorum of a run: with fewer members than `minWorkers`, the run pauses before its next task. */
import type { TeamState } from "./team-state.ts";

/** Pauses a run that has too few members, and logs the pause and its end. */
export class Quorum {
  readonly #state: TeamState;
  /**
   * Whether a pause was logged and its end was not. The phase cannot replace it: losing all workers ends the phase
   * `paused`, but the end is logged only when the run has started again with others.
   */
  #pauseLogged = false;

  constructor(state: TeamState) {
    this.#state = state;
  }

  /** Resolves when enough members hold the weights, or the signal aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    const { condition, membership, options, progress } = this.#state;
    let waited = false;
    await condition.wait(() => {
      this.#checkPause();
      const isEnough = membership.withState("in").length >= options.minWorkers;
      waited ||= !isEnough;
      return isEnough || signal.aborted;
    });
    if (waited) progress.skipTime();
  }

  /** Pauses or continues the run. Members that are catching up count towards the quorum. */
  #checkPause(): void {
    const { membership, options, phase } = this.#state;
    const { run } = phase;
    const here = membership.all.filter(({ state }) => state !== "leaving").length;
    if (here >= options.minWorkers) {
      if (phase.now.name === "paused") phase.rest();
      if (this.#pauseLogged) options.log("the run continues", "goes-on");
      this.#pauseLogged = false;
      return;
    }
    const reason = `${here} of ${options.minWorkers} required workers ${here === 1 ? "is" : "are"} connected`;
    if (run !== undefined) phase.enter({ name: "paused", run, reason });
    if (!this.#pauseLogged) options.log(`the run pauses: ${reason}; start more workers`, "paused");
    this.#pauseLogged = true;
  }
}
