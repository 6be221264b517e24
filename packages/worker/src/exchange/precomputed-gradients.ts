/**
 * Gradients of fully connected layers that are computed while this worker waits for the rest of the step: all factors
 * of a layer usually arrive long before the last sums of the convolutions. The commit decides whether they are used.
 */
import { tf } from "@lockstep/engine";
import type { Layout, StepAssembly } from "@lockstep/gradient-sync";
import { factoredMean } from "@lockstep/training";

/** Computes the mean gradients of factored tensors ahead of the commit, one at a time. */
export class PrecomputedGradients {
  readonly #layout: Layout;
  readonly #assembly: StepAssembly;
  /** The mean of each tensor, and the attempt of each slice whose factors it contains. */
  readonly #meanGradients = new Map<number, { attempts: readonly number[]; mean: tf.Tensor2D }>();

  constructor(layout: Layout, assembly: StepAssembly) {
    this.#layout = layout;
    this.#assembly = assembly;
  }

  /** Computes the mean gradient of one tensor whose factors are complete. @returns false if there is none */
  computeOne(): boolean {
    for (const [index, place] of this.#layout.places.entries()) {
      if (place.form !== "factored" || this.#meanGradients.has(index)) continue;
      const input = this.#assembly.completeFactor(place.inputPart);
      const delta = this.#assembly.completeFactor(place.deltaPart);
      if (input === undefined || delta === undefined || !areEqual(input.attempts, delta.attempts)) continue;
      const { rows } = this.#assembly;
      const factors = [
        tf.tensor2d(input.values, [rows, place.inputs]),
        tf.tensor2d(delta.values, [rows, place.outputs]),
      ] as const;
      this.#meanGradients.set(index, { attempts: input.attempts, mean: factoredMean(...factors, rows) });
      tf.dispose([...factors]);
      return true;
    }
    return false;
  }

  /** Removes and returns the mean gradient of a tensor if it was made of these attempts. The caller disposes of it. */
  pop(index: number, attempts: readonly number[]): tf.Tensor2D | undefined {
    const precomputed = this.#meanGradients.get(index);
    if (precomputed === undefined || !areEqual(precomputed.attempts, attempts)) return undefined;
    this.#meanGradients.delete(index);
    return precomputed.mean;
  }

  dispose(): void {
    for (const { mean } of this.#meanGradients.values()) mean.dispose();
    this.#meanGradients.clear();
  }
}

const areEqual = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((value, index) => value === b[index]);
