/** Known-answer test: the bits of a short training, which may change only with the version of the arithmetic. */
import { createHash } from "node:crypto";
import { makeConfig } from "@lockstep/config";
import { openBatchSource, parseNormalize } from "@lockstep/dataset";
import { startEngine, tf } from "@lockstep/engine";
import { ARITHMETIC_VERSION, encodeFloats } from "@lockstep/gradient-sync";
import { factorableKernels, initialWeights, stateDictNames, toStateDict } from "@lockstep/model";
import { makeSchedule, type StepTotals } from "@lockstep/run";
import {
  drawsDigest,
  evaluateAll,
  InMemoryExchange,
  LapClock,
  parameterValues,
  Replica,
  stateDigest,
  trainStep,
} from "@lockstep/training";
import { expect, test } from "vitest";

/**
 * The digest of each arithmetic version. Never change an entry. If a code change alters the bits, raise
 * `ARITHMETIC_VERSION` and add the new digest here.
 */
const KNOWN: Record<number, { training: string; draws: string }> = {
  1: {
    training: "de4dcd438c5f691d8ef81b29a0050531587c1c176bcc1d114c41cad3387b5dc7",
    draws: "02b7480b7842ddab966d40e61441204ca95dc9ba06216c2f14b48e3b8f64b74b",
  },
  // The slices of a step are added in the order of a tree, and no longer from left to right.
  2: {
    training: "dea9e5ffad464245e1e4a4d6a2405194134954bfddeb5fcfee46375e65efaf85",
    draws: "02b7480b7842ddab966d40e61441204ca95dc9ba06216c2f14b48e3b8f64b74b",
  },
};

const STEPS = 5;
const config = makeConfig({
  dataset: "shapes",
  seed: 7,
  batchSize: 8,
  sliceRows: 1,
  augment: "flip-crop",
  normalize: "0.4,0.5,0.6/0.2,0.3,0.4",
  lr: 0.05,
  lrSchedule: "cosine",
  warmupEpochs: 0.003,
  weightDecay: 0.01,
  numEpochs: 2,
  maxSteps: STEPS,
});

function smallNet(): tf.LayersModel {
  return tf.sequential({
    layers: [
      tf.layers.conv2d({ name: "conv", inputShape: [8, 8, 3], filters: 4, kernelSize: 3, activation: "relu" }),
      tf.layers.maxPooling2d({ name: "pool", poolSize: 2 }),
      tf.layers.flatten({ name: "flat" }),
      tf.layers.dense({ name: "hidden", units: 12, activation: "relu", kernelRegularizer: "l1l2" }),
      tf.layers.dropout({ name: "drop", rate: 0.5 }),
      tf.layers.dense({ name: "logits", units: 10 }),
    ],
  });
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);

/** Returns the SHA-256 of the results of a short run: losses, weights, momentum, an evaluation, and values in bf16. */
async function trainingDigest(): Promise<string> {
  const hash = createHash("sha256");
  const source = await openBatchSource({ ...config, height: 8, width: 8, normalize: parseNormalize(config.normalize) });
  const batches = { next: source.make };
  const model = smallNet();
  const names = stateDictNames(model);
  for (const init of ["he", "paper", "pytorch"] as const) {
    for (const values of await initialWeights(model, { ...config, init })) {
      hash.update(bytesOf(values));
      hash.update(encodeFloats(values as Float32Array<ArrayBuffer>, "bf16").data);
    }
  }
  const weights = toStateDict(names, await initialWeights(model, config));
  const replica = new Replica(model, parameterValues(model, names, weights), {
    factoredKernels: factorableKernels(model),
  });
  const context = { config, replica, batches, exchange: new InMemoryExchange(config.sliceRows), clock: new LapClock() };
  const addTotals = ({ samples, lossSum, correct }: Pick<StepTotals, "samples" | "lossSum" | "correct">) =>
    void hash.update(JSON.stringify([samples, lossSum, correct]));
  for (const task of makeSchedule(config, source.meta).tasksFrom(0)) {
    if (task.type === "step") await trainStep(context, task, addTotals);
  }
  const plan = {
    split: "validation" as const,
    samples: 20,
    rows: 8,
    classes: 10,
    signal: new AbortController().signal,
  };
  hash.update(JSON.stringify(await evaluateAll(replica, batches, plan)));
  hash.update(await stateDigest(replica, names));
  replica.dispose();
  return hash.digest("hex");
}

test("five steps have the bits of the arithmetic version", async () => {
  await startEngine({ backend: "cpu" }); // plain JavaScript, which rounds equally on every machine
  expect({ training: await trainingDigest(), draws: await drawsDigest() }).toEqual(KNOWN[ARITHMETIC_VERSION]);
});

test("different arithmetic versions have different bits", () => {
  const digests = Object.values(KNOWN).map(({ training }) => training);
  expect(new Set(digests).size).toBe(digests.length);
});
