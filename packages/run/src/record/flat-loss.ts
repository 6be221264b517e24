/** Notices a loss that does not move at the beginning of a run, which looks like a fault and is none. */
import type { RunConfig } from "@lockstep/config";
import { mean } from "../statistics.ts";

/** Steps from the start of a run after which its loss is judged. */
const STEPS = 100;
/** No step's loss is farther from the mean than this share of it. A net that learns varies more from batch to batch. */
const LARGEST_DISTANCE = 0.03;
/** The means of the first and of the second half differ by no more than this share. */
const LARGEST_DRIFT = 0.005;
/** Guessing between two classes costs ln 2 = 0.69; a smaller loss means that the net has learned. */
const SMALLEST_LOSS = 0.5;

/** Detects a loss that does not change during the first steps of a run. */
export class FlatLoss {
  readonly #losses: number[] = [];

  /**
   * Takes the loss of each step of a run, in order and from step 0 on.
   *
   * @returns the mean loss, once, at the step where it turns out that the loss has not moved
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

/** Returns the line about a loss that has not moved, with the remedy. */
export function flatLossLine({ init, initFrom }: Pick<RunConfig, "init" | "initFrom">, loss: number): string {
  const what = `The loss has stayed at ${loss.toFixed(3)}, the loss of random guessing, for ${STEPS} steps.`;
  if (init === "he" || initFrom !== undefined) return `${what} If it stays there, try another --lr.`;
  const rule = init ?? "pytorch";
  return `${what} This is normal: with ${rule} initialization, the loss of a deep net may start to fall only after half an epoch. With --init he it falls sooner.`;
}
