/** Checks an update worked out by hand, and factored gradients against dense ones. */
import { readBack, startEngine, tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import { beforeAll, expect, test } from "vitest";
import { disposeContribution } from "./contribution.ts";
import { Replica } from "./replica.ts";
import { computeGradients } from "./slice/gradients.ts";
import { regularizerGradients } from "./slice/regularizers.ts";
import { LapClock } from "./step-clock.ts";
import { batchOf, denseKernels, smallModel, valuesFor } from "./testing/small-model.ts";
import { applyUpdate } from "./update.ts";

beforeAll(async () => void (await startEngine({ backend: "cpu" })));

const sgd = { learningRate: 0.1, momentum: 0.9, weightDecay: 0 };

async function weightsAfter(steps: number, factored: number[]): Promise<Float32Array[]> {
  const model = smallModel({ dropout: 0.5 });
  const replica = new Replica(model, valuesFor(model), { factoredKernels: factored });
  for (let step = 0; step < steps; step++) {
    const update = await computeGradients(replica, batchOf(step * 8, step * 8 + 8), {
      seed: 0,
      step,
      clock: new LapClock(),
    });
    applyUpdate(replica.parameters, update, { ...sgd, weightDecay: 0.01 });
    disposeContribution(update);
  }
  const weights = [];
  for (let i = 0; i < replica.parameters.length; i++) weights.push(await readBack(replica.parameters.weight(i)));
  replica.dispose();
  return weights;
}

test("an update divides the sums by the samples and adds weight decay, worked by hand", async () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ inputShape: [2], units: 1, name: "only" })] });
  const values = [
    { shape: [2, 1], weight: Float32Array.of(1, 2) },
    { shape: [1], weight: Float32Array.of(3) },
  ];
  const replica = new Replica(model, values, { factoredKernels: [0] });
  const gradients = [
    // inputᵀ·delta = [[1·4 + 3·8], [2·4 + 0·8]] = [[28], [8]], summed over 4 samples
    {
      form: "factored" as const,
      input: tf.tensor2d([
        [1, 2],
        [3, 0],
      ]),
      delta: tf.tensor2d([[4], [8]]),
    },
    { form: "dense" as const, sum: tf.tensor1d([12]) },
  ];
  applyUpdate(replica.parameters, { samples: 4, lossSum: 0, correct: 0, gradients }, { ...sgd, weightDecay: 0.5 });
  // g = (28/4 + 0.5·1, 8/4 + 0.5·2) = (7.5, 3); w = (1, 2) − 0.1·g
  expect([...(await readBack(replica.parameters.weight(0)))]).toEqual([Math.fround(0.25), Math.fround(1.7)]);
  // g = 12/4 + 0.5·3 = 4.5; w = 3 − 0.45
  expect((await readBack(replica.parameters.weight(1)))[0]).toBeCloseTo(2.55, 6);
});

test("factored and dense gradients lead to the same weights", async () => {
  const dense = await weightsAfter(10, []);
  const factored = await weightsAfter(10, denseKernels);
  for (const [index, weights] of factored.entries()) {
    const difference = Math.hypot(...weights.map((weight, i) => weight - at(at(dense, index), i)));
    expect(difference / Math.hypot(...at(dense, index))).toBeLessThan(1e-5);
  }
});

test("a layer's regularizer adds its gradient once, for any number of samples", async () => {
  const model = smallModel({ regularizer: "l1l2" }); // 0.01·Σ|w| + 0.01·Σw²
  const values = valuesFor(model);
  const replica = new Replica(model, values);
  tf.dispose([...regularizerGradients(replica).values()]); // the first read caches the parameters' tensors
  const before = tf.memory().numTensors;
  const penalties = regularizerGradients(replica);
  const kernel = model.weights.findIndex((weight) => weight.name.startsWith("hidden/kernel"));
  const actual = await readBack(defined(penalties.get(kernel), "the penalty"));
  const expected = at(values, kernel).weight.map((w) => 0.01 * Math.sign(w) + 0.02 * w);
  expect(Math.max(...actual.map((value, i) => Math.abs(value - at(expected, i))))).toBeLessThan(1e-7);
  tf.dispose([...penalties.values()]);
  expect(tf.memory().numTensors).toBe(before);
  expect(regularizerGradients(new Replica(smallModel(), valuesFor(smallModel()))).size).toBe(0);
});
