/** Between steps, lets members that wait for the weights catch up with a member that holds them. */
import { LockstepError } from "@lockstep/errors";
import { haveSameDevice } from "../membership/state-origin.ts";
import type { TeamState } from "./team-state.ts";

/** Starts the catching up of members that joined late. */
export class CatchUp {
  readonly #state: TeamState;
  readonly #onCaughtUp: () => void;

  /** @param onCaughtUp called when a group of members has caught up, so that the next group can start */
  constructor(state: TeamState, onCaughtUp: () => void) {
    this.#state = state;
    this.#onCaughtUp = onCaughtUp;
  }

  /**
   * Starts a group of late joiners, unless another group is catching up. A group has devices of one kind, and gets the
   * weights of a member with the same kind of device if there is one, because that member rounds as they do.
   */
  start(): void {
    const { condition, membership, phase, progress } = this.#state;
    const { name } = phase.now;
    const isBetweenSteps = name === "idle" || name === "paused" || name === "evaluating";
    const lateJoin = phase.run?.lateJoin;
    if (!isBetweenSteps || lateJoin === undefined || lateJoin.busy) return;
    const { holders } = membership;
    const waiting = membership.withState("waiting");
    const [[first], [fastest]] = [waiting, holders];
    if (first === undefined || fastest === undefined) return;
    const alike = waiting.filter((member) => haveSameDevice(member, first));
    const source = holders.find((member) => haveSameDevice(member, first)) ?? fastest;
    lateJoin
      .catchUp(alike, progress.updatesMade, source)
      .then(this.#onCaughtUp)
      .catch((error) => {
        // The wait for the current task reports ERR_ALL_LOST.
        const isReported = error instanceof LockstepError && error.code === "ERR_ALL_LOST";
        if (!isReported) condition.fail(error);
      });
  }
}
