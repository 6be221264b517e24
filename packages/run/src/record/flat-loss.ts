/** Detects a loss that does not change at the start of a run. This is normal for deep nets, but looks like a fault. */
import type { RunConfig } from "@lockstep/config";
import { mean } from "../statistics.ts";

/** Number of first steps whose losses are tested. */
const STEPS = 100;
/** Maximum distance of a step's loss from the mean, as a fraction of it. The loss of a net that learns varies more. */
const LARGEST_DISTANCE = 0.03;
/** Maximum difference between the means of the first and the second half, as a fraction of the mean. */
const LARGEST_DRIFT = 0.005;
/** Minimum mean loss. Guessing between two classes gives ln 2 = 0.69, so a net with a smaller loss has learned. */
const SMALLEST_LOSS = 0.5;

/** Detects a loss that does not change during the first steps of a run. */
export class FlatLoss {
  readonly #losses: number[] = [];

  /**
   * Adds the loss of a step. Steps must come in order, from step 0.
   *
   * @returns the mean loss if this is step STEPS - 1 and the loss has not changed; otherwise undefined
   */
  add(step: number, loss: number): number | undefined {
    if (step !== this.#losses.length || step >= STEPS) return undefined;
    this.#losses.push(loss);
    return step === STEPS - 1 ? flatMean(this.#losses) : undefined;
  }
}

function flatMean(losses: readonly number[]): number | undefined {
  const middle = mean(losses);
  const half = losses.length / 2;
  const drift = Math.abs(mean(losses.slice(half)) - mean(losses.slice(0, half)));
  const isFlat =
    drift <= LARGEST_DRIFT * middle && losses.every((loss) => Math.abs(loss - middle) <= LARGEST_DISTANCE * middle);
  return isFlat && middle > SMALLEST_LOSS ? middle : undefined;
}

/** Returns the line about a loss that has not changed, with the remedy. */
export function flatLossLine({ init, initFrom }: Pick<RunConfig, "init" | "initFrom">, loss: number): string {
  const what = `The loss has stayed at ${loss.toFixed(3)}, the loss of random guessing, for ${STEPS} steps.`;
  if (init === "he" || initFrom !== undefined) return `${what} If it stays there, try another --lr.`;
  const rule = init ?? "pytorch";
  return `${what} This is normal: with ${rule} initialization, the loss of a deep net may start to fall only after half an epoch. With --init he it falls sooner.`;
}
