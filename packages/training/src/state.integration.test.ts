/** Compares states with weights transposed index by index, and reads snapshots while training continues. */
import { readBack, startEngine, tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { stateDictNames } from "@lockstep/model";
import { beforeAll, expect, test } from "vitest";
import { Replica } from "./replica.ts";
import { computeGradients } from "./slice/gradients.ts";
import { captureState, StateSnapshot, stateDigest } from "./state.ts";
import { LapClock } from "./step-clock.ts";
import { batchOf, denseKernels, smallModel, valuesFor } from "./testing/small-model.ts";
import { applyUpdate } from "./update.ts";

// The native engine, if available, updates weights in place, which a snapshot must not see.
beforeAll(async () => void (await startEngine({})));

function newReplica() {
  const model = smallModel();
  const replica = new Replica(model, valuesFor(model), { factoredKernels: denseKernels });
  return { replica, names: stateDictNames(model) };
}

async function step(replica: Replica, number: number): Promise<void> {
  const update = await computeGradients(replica, batchOf(8 * number, 8 * number + 8), {
    seed: 0,
    step: number,
    clock: new LapClock(),
  });
  applyUpdate(replica.parameters, update, { learningRate: 0.1, momentum: 0.9, weightDecay: 0 });
}

/** Returns a tensor in PyTorch's layout, index by index: [outputs, inputs] of [inputs, outputs], OIHW of HWIO. */
async function transposed(tensor: tf.Tensor): Promise<number[]> {
  const values = await readBack(tensor);
  const [outputs, inputs] = [at(tensor.shape, -1), at(tensor.shape, -2)];
  const positions = tensor.size / outputs / inputs;
  const result: number[] = [];
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++)
      for (let p = 0; p < positions; p++) result.push(at(values, (p * inputs + i) * outputs + o));
  return result;
}

test("weights and momentum of a state are in PyTorch's layout", async () => {
  const { replica, names } = newReplica();
  await step(replica, 0);
  const state = await captureState(replica, names).read();
  const conv = names.findIndex(({ torchShape }) => torchShape.length === 4);
  const last = names.findIndex(({ torchShape }) => torchShape.join() === "5,16");
  for (const index of [conv, last]) {
    expect([...at(state, index).weight]).toEqual(await transposed(replica.parameters.weight(index)));
    expect([...at(state, index).velocity]).toEqual(await transposed(replica.parameters.velocity(index)));
  }
  replica.dispose();
});

test.each([1, 7, 1000])(
  "a snapshot read in pieces of %i elements during training is the state at its start",
  async (elements) => {
    const { replica, names } = newReplica();
    await step(replica, 0);
    const before = await captureState(replica, names).read();
    const read = before.map(({ weight }) => ({
      weight: new Float32Array(weight.length),
      velocity: new Float32Array(weight.length),
    }));
    let steps = 1;
    for await (const { tensor, kind, offset, values } of new StateSnapshot(replica, names).pieces(elements)) {
      at(read, tensor)[kind].set(values, offset);
      if (steps < 4) await step(replica, steps++);
    }
    expect(read).toEqual(before.map(({ weight, velocity }) => ({ weight, velocity })));
    expect(at(await captureState(replica, names).read(), 0).weight).not.toEqual(at(before, 0).weight);
    replica.dispose();
  },
);

test("equal states have equal digests, and a step changes the digest", async () => {
  const [one, other] = [newReplica(), newReplica()];
  expect(await stateDigest(one.replica, one.names)).toBe(await stateDigest(other.replica, other.names));
  await step(other.replica, 0);
  expect(await stateDigest(one.replica, one.names)).not.toBe(await stateDigest(other.replica, other.names));
  one.replica.dispose();
  other.replica.dispose();
});

test("a snapshot leaks no tensor, whether it is read to its end or not", async () => {
  const { replica, names } = newReplica();
  await captureState(replica, names).read(); // the first read caches the parameters' tensors
  const before = tf.memory().numTensors;
  await captureState(replica, names).read();
  const abandoned = new StateSnapshot(replica, names);
  await abandoned.pieces(5).next();
  abandoned.dispose();
  expect(tf.memory().numTensors).toBe(before);
  replica.dispose();
});
