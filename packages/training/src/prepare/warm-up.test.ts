/** Compares three steps after a warm-up with three steps without one, bit for bit. */
import { readBack, startEngine, tf } from "@lockstep/engine";
import { beforeAll, expect, test } from "vitest";
import { disposeContribution } from "../contribution.ts";
import { Replica } from "../replica.ts";
import { computeGradients } from "../slice/gradients.ts";
import { LapClock } from "../step-clock.ts";
import { batchOf, denseKernels, smallModel, valuesFor } from "../testing/small-model.ts";
import { applyUpdate } from "../update.ts";
import { warmUp } from "./warm-up.ts";

beforeAll(async () => void (await startEngine({ backend: "cpu" })));

const sgd = { learningRate: 0.1, momentum: 0.9, weightDecay: 1e-4 };

/** Returns losses and weights of three steps with dropout, after `first` has run on other weights. */
async function train(first: (replica: Replica) => Promise<void>): Promise<Float32Array[]> {
  const model = smallModel({ dropout: 0.5 });
  const values = valuesFor(model);
  const replica = new Replica(
    model,
    values.map(({ shape, weight }) => ({ shape, weight: new Float32Array(weight.length) })),
    { factoredKernels: denseKernels },
  );
  await first(replica);
  replica.load(values);
  const outcome: Float32Array[] = [];
  for (const step of [0, 1, 2]) {
    const update = await computeGradients(replica, batchOf(7 * step, 7 * step + 7), {
      seed: 3,
      step,
      clock: new LapClock(),
    });
    outcome.push(Float32Array.of(update.lossSum));
    applyUpdate(replica.parameters, update, sgd);
    disposeContribution(update);
  }
  for (let i = 0; i < replica.parameters.length; i++)
    outcome.push((await readBack(replica.parameters.weight(i))).slice());
  replica.dispose();
  return outcome;
}

test("a warm-up leaks no tensor and does not change a bit of the following steps", async () => {
  const cold = await train(async () => {});
  const warm = await train(async (replica) => {
    const { numTensors } = tf.memory();
    await warmUp(replica, [8, 8, 3], 5);
    expect(tf.memory().numTensors).toBe(numTensors);
    const last = await readBack(replica.parameters.velocity(replica.parameters.length - 1));
    expect(Math.max(...last), "there was a backward pass, and an update").toBeGreaterThan(0);
  });
  expect(warm).toEqual(cold);
});
