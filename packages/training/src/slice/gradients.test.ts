/** Compares gradients with tf.variableGrads, and the sums of slices with the whole batch. */
import { readBack, startEngine, tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { beforeAll, expect, test } from "vitest";
import { type Contribution, disposeContribution, type Gradient, sumContributions } from "../contribution.ts";
import { Replica } from "../replica.ts";
import { LapClock } from "../step-clock.ts";
import { batchOf, denseKernels, smallModel, valuesFor } from "../testing/small-model.ts";
import { computeGradients, tensorsOf } from "./gradients.ts";

beforeAll(async () => void (await startEngine({ backend: "cpu" })));

const options = (more: { maxRows?: number; step?: number } = {}) => ({
  seed: 3,
  step: 0,
  clock: new LapClock(),
  ...more,
});

function replicaOf({ dropout = 0, factored = denseKernels }: { dropout?: number; factored?: number[] } = {}): Replica {
  const model = smallModel({ dropout });
  return new Replica(model, valuesFor(model), { factoredKernels: factored });
}

/** Returns every gradient as one dense array. */
async function valuesOf(contribution: Contribution): Promise<number[][]> {
  const dense = (gradient: Gradient) =>
    gradient.form === "dense" ? gradient.sum : tf.matMul(gradient.input, gradient.delta, true, false);
  const values = [];
  for (const gradient of contribution.gradients) values.push([...(await readBack(dense(gradient)))]);
  return values;
}

function assertClose(actual: number[][], expected: number[][], relative: number): void {
  expect(actual.length).toBe(expected.length);
  for (const [index, values] of actual.entries()) {
    const difference = Math.hypot(...values.map((value, i) => value - at(at(expected, index), i)));
    expect(difference).toBeLessThanOrEqual(relative * Math.hypot(...at(expected, index)));
  }
}

test("the gradients equal those of tf.variableGrads for the untapped model", async () => {
  const model = smallModel();
  const values = valuesFor(model);
  model.setWeights(values.map(({ shape, weight }) => tf.tensor(weight, shape)));
  const batch = batchOf(0, 7);
  const { images, labels } = tensorsOf(batch);
  const { value, grads } = tf.variableGrads(() => {
    const logits = model.apply(images, { training: true }) as tf.Tensor2D;
    const picked = tf.logSoftmax(logits).mul(tf.oneHot(labels, 5));
    return picked.sum().neg() as tf.Scalar;
  });
  const expected = Object.values(grads).map((gradient) => [...gradient.dataSync()]);

  for (const factored of [[], denseKernels]) {
    const contribution = await computeGradients(replicaOf({ factored }), batch, options());
    expect(contribution.lossSum).toBeCloseTo(at(value.dataSync(), 0), 4);
    expect(contribution.samples).toBe(7);
    expect(contribution.gradients.filter(({ form }) => form === "factored").length).toBe(factored.length);
    assertClose(await valuesOf(contribution), expected, 1e-6);
  }
});

test("a Dense layer at the input has factors too", async () => {
  const model = tf.sequential({
    layers: [
      tf.layers.flatten({ inputShape: [8, 8, 3] }),
      tf.layers.dense({ name: "first", units: 6, activation: "tanh" }),
      tf.layers.dense({ name: "last", units: 5 }),
    ],
  });
  const topology = model.toJSON() as string;
  const values = valuesFor(model);
  const tapped = new Replica(model, values, { factoredKernels: [0, 2] });
  const withFactors = await valuesOf(await computeGradients(tapped, batchOf(0, 4), options()));
  // The taps stay on the layers of this model, so a fresh one is compared.
  const fresh = await tf.models.modelFromJSON({ modelTopology: JSON.parse(topology) });
  const untapped = new Replica(fresh, values);
  assertClose(withFactors, await valuesOf(await computeGradients(untapped, batchOf(0, 4), options())), 1e-6);
});

test("the sums of slices add up to those of the batch, with dropout, for any division", async () => {
  const replica = replicaOf({ dropout: 0.5 });
  const whole = await computeGradients(replica, batchOf(0, 11), options());
  const slices = [];
  for (const [start, end] of [
    [0, 3],
    [3, 4],
    [4, 11],
  ] as const) {
    slices.push(await computeGradients(replica, batchOf(start, end), options()));
  }
  const total = sumContributions(slices);
  expect(total.samples).toBe(11);
  expect(total.correct).toBe(whole.correct);
  expect(total.lossSum).toBeCloseTo(whole.lossSum, 4);
  assertClose(await valuesOf(total), await valuesOf(whole), 1e-5);
});

test("several passes with maxRows compute the same", async () => {
  const replica = replicaOf({ dropout: 0.3 });
  const whole = await computeGradients(replica, batchOf(5, 16), options());
  const parts = await computeGradients(replica, batchOf(5, 16), options({ maxRows: 4 }));
  expect(parts.correct).toBe(whole.correct);
  assertClose(await valuesOf(parts), await valuesOf(whole), 1e-5);
});

test("another step has other dropout masks, and the same step the same", async () => {
  const replica = replicaOf({ dropout: 0.5 });
  const losses = [];
  for (const step of [0, 0, 1])
    losses.push((await computeGradients(replica, batchOf(0, 8), options({ step }))).lossSum);
  expect(losses[0]).toBe(losses[1]);
  expect(losses[0]).not.toBe(losses[2]);
});

test("no tensor leaks once the contribution is disposed of", async () => {
  const replica = replicaOf({ dropout: 0.5 });
  const trainStep = async (step: number) =>
    disposeContribution(await computeGradients(replica, batchOf(0, 6), options({ step, maxRows: 4 })));
  await trainStep(0); // the first read caches the parameters' tensors
  const before = tf.memory().numTensors;
  for (let step = 1; step < 5; step++) await trainStep(step);
  expect(tf.memory().numTensors).toBe(before);
});
