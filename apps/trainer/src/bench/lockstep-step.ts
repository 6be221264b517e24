/**
 * Steps of the CIFAR-10 AlexNet in Lockstep: the other side of pytorch_step.py.
 *
 * lockstep-step.ts STEPS BATCH THREADS: prints one JSON object; the first 5 steps are not counted.
 */
import type { Batch } from "@lockstep/dataset";
import { startEngine, tf } from "@lockstep/engine";
import { factorableLayers, initialWeights, loadModel } from "@lockstep/model";
import { uniforms } from "@lockstep/random";
import { makeConfig } from "@lockstep/run";
import { inMemoryExchange, LapClock, Replica, takeStep } from "@lockstep/training";

const WARMUP = 5;
const [steps, rows, threads] = process.argv.slice(2).map(Number) as [number, number, number];

const engine = await startEngine({ threads });
const { model } = await loadModel("alexnet-cifar10");
const weights = await initialWeights(model, { init: "pytorch", seed: 0 });
const values = model.trainableWeights.map(({ shape }, index) => ({
  shape: shape as number[],
  weight: weights[index]!,
}));
const replica = new Replica(model, values, { factoredLayers: factorableLayers(model) });
const sampleIds = Uint32Array.from({ length: rows }, (_, row) => row);
const images = uniforms(0, "shapes", [0, 0, 0], rows * 3072).map((value) => value * 2 - 1);
const batch: Batch = {
  images,
  labels: Int32Array.from(sampleIds, (id) => id % 10),
  sampleIds,
  samples: rows,
  height: 32,
  width: 32,
  channels: 3,
};

const batches = { take: async () => batch };
const context = { config: makeConfig({}), replica, batches, exchange: inMemoryExchange, clock: new LapClock() };
const result = {
  version: engine.libraryVersion,
  stepMs: [] as number[],
  liveTensors: [] as number[],
  rssMiB: [] as number[],
};
for (let step = 0; step < WARMUP + steps; step++) {
  const startMs = performance.now();
  await takeStep(context, { step, learningRate: 0.01, slices: 1 }, () => {});
  const stepMs = performance.now() - startMs;
  if (step < WARMUP) continue;
  result.stepMs.push(stepMs);
  result.liveTensors.push(tf.memory().numTensors);
  result.rssMiB.push(process.memoryUsage.rss() / 2 ** 20);
}
console.log(JSON.stringify(result));
