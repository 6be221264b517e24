/** Compares Lockstep's steps with PyTorch's on the same weights and images: losses, gradients, updates. */

import { readBack, tf } from "@lockstep/engine";
import { at, defined } from "@lockstep/errors";
import { fromStateDict } from "@lockstep/model";
import { applyUpdate, type Contribution, computeGradients, disposeContribution, LapClock } from "@lockstep/training";
import { type Fixture, fixtureBatch, fixtureWeights, replicaOf } from "./fixture.ts";

/** A number of Lockstep and of PyTorch, and the relative tolerance. */
export interface Comparison {
  what: string;
  actual: number;
  expected: number;
  tolerance: number;
}

/** Returns the relative difference of the two numbers. */
export const distance = ({ actual, expected }: Comparison): number =>
  actual === expected ? 0 : Math.abs(actual / expected - 1);

/** Runs the fixture's steps on images of `size` × `size` pixels, and returns the comparisons. */
export async function compareWithPytorch(fixture: Fixture, size: number, classes: number): Promise<Comparison[]> {
  const { tolerance, lr, momentum } = fixture;
  const { replica, names } = await replicaOf(fixture);
  const before = fromStateDict(names, fixtureWeights(names));
  const comparisons: Comparison[] = [];
  const compare = (what: string, actual: number, expected: number, tolerance: number) =>
    comparisons.push({ what, actual, expected, tolerance });
  for (const [step, expected] of fixture.steps.entries()) {
    const batch = fixtureBatch(step, fixture.batch_size, size, classes);
    const update = await computeGradients(replica, batch, { seed: 0, step, clock: new LapClock() });
    compare(`loss of step ${step}`, update.lossSum / update.samples, expected.loss, tolerance.loss);
    compare(`correct predictions of step ${step}`, update.correct, expected.correct, 0);
    if (expected.gradient_l2 !== undefined) {
      for (const [index, norm] of (await meanGradientNorms(update)).entries()) {
        const { name } = at(names, index);
        compare(`gradient of ${name}`, norm, defined(expected.gradient_l2[name], name), tolerance.gradient_l2);
      }
    }
    applyUpdate(replica.parameters, update, { learningRate: lr, momentum, weightDecay: 0 });
    disposeContribution(update);
  }
  for (const [index, { name }] of names.entries()) {
    const weight = replica.parameters.weight(index);
    const change = tf.tidy(() => weight.sub(tf.tensor(at(before, index), weight.shape)));
    compare(`update of ${name}`, await norm(change), defined(fixture.update_l2[name], name), tolerance.update_l2);
    change.dispose();
  }
  replica.dispose();
  return comparisons;
}

/** Returns the L2 norm in float64. */
async function norm(tensor: tf.Tensor): Promise<number> {
  let sum = 0;
  for (const value of await readBack(tensor)) sum += value * value;
  return Math.sqrt(sum);
}

async function meanGradientNorms({ gradients, samples }: Contribution): Promise<number[]> {
  const norms = [];
  for (const gradient of gradients) {
    if (gradient.form === "dense") norms.push((await norm(gradient.sum)) / samples);
    else norms.push((await normOfProduct(gradient.input, gradient.delta)) / samples);
  }
  return norms;
}

/** Returns ‖XᵀD‖ = √Σ (XXᵀ ∘ DDᵀ), from rows × rows numbers instead of in × out. */
async function normOfProduct(x: tf.Tensor2D, d: tf.Tensor2D): Promise<number> {
  const square = tf.tidy(() =>
    tf
      .matMul(x, x, false, true)
      .mul(tf.matMul(d, d, false, true))
      .sum(),
  );
  const [sum] = await readBack(square);
  square.dispose();
  return Math.sqrt(defined(sum, "a sum"));
}
