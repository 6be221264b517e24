/**
 * Measures steps of the CIFAR-10 AlexNet in Lockstep, the counterpart of pytorch_step.py.
 *
 * lockstep-step.ts STEPS BATCH THREADS: prints one JSON object, without the 5 warm-up steps.
 */

import { makeConfig } from "@lockstep/config";
import { startEngine, tf } from "@lockstep/engine";
import { toStep } from "@lockstep/gradient-sync";
import { tuneGarbageCollection } from "@lockstep/run";
import { InMemoryExchange, LapClock, trainStep } from "@lockstep/training";
import { alexnetReplica, drawnBatch } from "./drawn-batch.ts";

const WARMUP = 5;
const [steps, rows, threads] = process.argv.slice(2).map(Number) as [number, number, number];

tuneGarbageCollection(); // as `pnpm train` does
const engine = await startEngine({ threads });
const replica = await alexnetReplica({ factored: true });
const batch = drawnBatch(rows);

const batches = { next: async () => batch };
const context = { config: makeConfig({}), replica, batches, exchange: new InMemoryExchange(), clock: new LapClock() };
const result = {
  version: engine.libraryVersion,
  stepMs: [] as number[],
  liveTensors: [] as number[],
  rssMiB: [] as number[],
};
for (let step = 0; step < WARMUP + steps; step++) {
  const startMs = performance.now();
  await trainStep(
    context,
    { type: "step", epoch: 0, step: toStep(step), start: 0, end: rows, learningRate: 0.01 },
    () => {},
  );
  const stepMs = performance.now() - startMs;
  if (step < WARMUP) continue;
  result.stepMs.push(stepMs);
  result.liveTensors.push(tf.memory().numTensors);
  result.rssMiB.push(process.memoryUsage.rss() / 2 ** 20);
}
console.log(JSON.stringify(result));
