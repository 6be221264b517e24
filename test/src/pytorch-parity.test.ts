/** Lockstep against PyTorch on the same weights and images: losses, gradients, updates. */
import { readBack, startEngine, tf } from "@lockstep/engine";
import { fromStateDict } from "@lockstep/model";
import {
  applyUpdate,
  type Contribution,
  computeGradients,
  disposeContribution,
  type Gradient,
  LapClock,
} from "@lockstep/training";
import { describe, expect, test } from "vitest";
import { fixtureBatch, fixtureWeights, readFixture, replicaOf } from "./fixture.ts";

const { backend, passedOver } = await startEngine({});
const native = backend === "native";
const why = native ? "" : ` (needs the native engine: ${passedOver.map(({ reason }) => reason).join("; ")})`;

/** L2 norm in float64. */
async function norm(tensor: tf.Tensor): Promise<number> {
  let sum = 0;
  for (const value of await readBack(tensor)) sum += value * value;
  return Math.sqrt(sum);
}

async function meanGradientNorms(contribution: Contribution): Promise<number[]> {
  const dense = (gradient: Gradient) =>
    gradient.form === "dense" ? gradient.sum.clone() : tf.matMul(gradient.input, gradient.delta, true, false);
  const norms = [];
  for (const gradient of contribution.gradients) {
    const tensor = dense(gradient);
    norms.push((await norm(tensor)) / contribution.samples);
    tensor.dispose();
  }
  return norms;
}

describe.each([
  ["alexnet-cifar10-pytorch.json", 32, 10],
  ["alexnet-pytorch.json", 224, 1000],
])("%s", (file, size, classes) => {
  const fixture = readFixture(file);

  test("weights and images are those that PyTorch had", () => {
    const batch = fixtureBatch(0, 1, size, classes);
    const firstPixels = [...batch.images].filter((_, i) => i % 3 === 0).slice(0, 8);
    expect(firstPixels.map((value) => Math.round((value * 0.5 + 0.5) * 255))).toEqual(fixture.first_pixels);
    expect([...fixtureBatch(0, 8, 1, classes).labels]).toEqual(fixture.first_labels.slice(0, 8));
  });

  test.skipIf(!native)(`losses, first gradients and the whole update are PyTorch's${why}`, async () => {
    const { replica, names } = await replicaOf(fixture);
    const before = fromStateDict(names, fixtureWeights(names));
    for (const [step, expected] of fixture.steps.entries()) {
      const batch = fixtureBatch(step, fixture.batch_size, size, classes);
      const update = await computeGradients(replica, batch, { seed: 0, step, clock: new LapClock() });
      expect(Math.abs(update.lossSum / update.samples / expected.loss - 1)).toBeLessThan(fixture.tolerance.loss);
      expect(update.correct).toBe(expected.correct);
      if (expected.gradient_l2 !== undefined) {
        for (const [index, actual] of (await meanGradientNorms(update)).entries()) {
          const name = names[index]!.name;
          expect(Math.abs(actual / expected.gradient_l2[name]! - 1), name).toBeLessThan(fixture.tolerance.gradient_l2);
        }
      }
      applyUpdate(replica.parameters, update, { learningRate: fixture.lr, momentum: fixture.momentum, weightDecay: 0 });
      disposeContribution(update);
    }
    for (const [index, { name }] of names.entries()) {
      const weight = replica.parameters.weight(index);
      const change = tf.tidy(() => weight.sub(tf.tensor(before[index]!, weight.shape)));
      const actual = await norm(change);
      change.dispose();
      expect(Math.abs(actual / fixture.update_l2[name]! - 1), name).toBeLessThan(fixture.tolerance.update_l2);
    }
    replica.dispose();
  });
});
