/**
 * Steps of the CIFAR-10 AlexNet in Lockstep: the other side of pytorch_step.py.
 *
 * lockstep-step.ts STEPS BATCH THREADS: prints one JSON object; the first 5 steps are not counted.
 */
import type { Batch } from "@lockstep/dataset";
import { startEngine, tf } from "@lockstep/engine";
import { factorableLayers, initialWeights, loadModel } from "@lockstep/model";
import { uniforms } from "@lockstep/random";
import { applyUpdate, computeGradients, disposeContribution, LapClock, Replica } from "@lockstep/training";

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

const clock = new LapClock();
const result = {
  version: engine.libraryVersion,
  stepMs: [] as number[],
  liveTensors: [] as number[],
  rssMiB: [] as number[],
};
for (let step = 0; step < WARMUP + steps; step++) {
  const update = await computeGradients(replica, batch, { seed: 0, step, clock });
  applyUpdate(replica.parameters, update, { learningRate: 0.01, momentum: 0.9, weightDecay: 0 });
  disposeContribution(update);
  const ms = clock.finish();
  if (step < WARMUP) continue;
  result.stepMs.push(ms.step);
  result.liveTensors.push(tf.memory().numTensors);
  result.rssMiB.push(process.memoryUsage.rss() / 2 ** 20);
}
console.log(JSON.stringify(result));
