/** Between steps, members that wait for the weights are given them, if someone has them. */
import { LockstepError } from "@lockstep/errors";
import { haveSameDevice } from "../membership/state-origin.ts";
import type { TeamState } from "./team-state.ts";

/** Has members that joined late catch up. */
export class CatchUp {
  readonly #state: TeamState;
  readonly #onCaughtUp: () => void;

  /** @param onCaughtUp called when those who were brought in take part, so that the next ones can follow */
  constructor(state: TeamState, onCaughtUp: () => void) {
    this.#state = state;
    this.#onCaughtUp = onCaughtUp;
  }

  /**
   * Begins, unless others are under way. Those whose devices are alike come together, with the weights of a member that
   * is like them, if there is one: it rounds as they do.
   */
  begin(): void {
    const { condition, membership, phase, progress } = this.#state;
    const { name } = phase.now;
    const isBetweenSteps = name === "idle" || name === "paused" || name === "evaluating";
    const lateJoin = phase.run?.lateJoin;
    if (!isBetweenSteps || lateJoin === undefined || lateJoin.busy) return;
    const { holders } = membership;
    const waiting = membership.in("waiting");
    const [[first], [fastest]] = [waiting, holders];
    if (first === undefined || fastest === undefined) return;
    const alike = waiting.filter((member) => haveSameDevice(member, first));
    const source = holders.find((member) => haveSameDevice(member, first)) ?? fastest;
    lateJoin
      .catchUp(alike, progress.updatesMade, source)
      .then(this.#onCaughtUp)
      .catch((error) => {
        const isReported = error instanceof LockstepError && error.code === "ERR_ALL_LOST"; // to whoever waits for the step
        if (!isReported) condition.fail(error);
      });
  }
}
