/** Measures steps of alexnet-cifar10 on shapes, and the read-back of their gradients to the CPU. */

import { type MachineOptions, makeConfig } from "@lockstep/config";
import { readBack, tf } from "@lockstep/engine";
import { at, defined } from "@lockstep/errors";
import { toStep } from "@lockstep/gradient-sync";
import { factorableKernels, initialWeights, toStateDict } from "@lockstep/model";
import type { StepTask } from "@lockstep/run";
import { median } from "@lockstep/run";

import {
  Batches,
  computeGradients,
  disposeContribution,
  InMemoryExchange,
  LapClock,
  type PreparedRun,
  parameterValues,
  plannedRequests,
  prepare,
  Replica,
  trainStep,
} from "@lockstep/training";
import type { Settings } from "./settings.ts";

/** Figures of the steps with one batch size. */
export interface StepFigures {
  batch: number;
  stepMs: number[];
  /** Median of each segment of a step on the CPU's clock. The GPU computes asynchronously. */
  partsMs: Record<string, number>;
  imagesPerSecond: number;
  /** Images per second without the time that steps waited for their images. */
  imagesPerSecondWithoutData: number;
  /** Loss of each step, including the warm-up. */
  losses: number[];
  liveTensors: number[];
  readBack: ReadBackFigures;
}

/**
 * Read-back of all gradients of a step as they are sent: dense for convolutions and biases, factored for the others.
 */
interface ReadBackFigures {
  bytes: number;
  medianMs: number;
  gigabytesPerSecond: number;
}

/** Measures the steps with one batch size. */
export async function measureSteps(batch: number, settings: Settings, machine: MachineOptions): Promise<StepFigures> {
  const config = makeConfig({ dataset: "shapes", init: "he", trainFraction: 1, batchSize: batch });
  const run = await prepare(config, machine, () => {});
  const replica = await replicaOf(run);
  try {
    const tasks = fullBatches(batch, run.thread.meta.trainSamples, settings.warmupSteps + settings.steps);
    const batches = new Batches(run.thread, plannedRequests(tasks, { evaluationRows: batch }));
    const clock = new LapClock();
    const context = { config, replica, batches, exchange: new InMemoryExchange(), clock };
    const laps: Record<string, number>[] = [];
    const losses: number[] = [];
    const liveTensors: number[] = [];
    for (const task of tasks) {
      await trainStep(context, task, ({ lossSum, samples }) => {
        laps.push(clock.finish());
        losses.push(lossSum / samples);
      });
      liveTensors.push(tf.memory().numTensors);
    }
    const counted = laps.slice(settings.warmupSteps);
    const segments = Object.keys(at(counted, 0)).map(
      (part) => [part, median(counted.map((ms) => ms[part] ?? 0))] as const,
    );
    const { step = 0, data = 0, ...rest } = Object.fromEntries(segments);
    return {
      batch,
      stepMs: counted.map((ms) => defined(ms["step"], "the time of the step")),
      partsMs: { data, ...rest },
      imagesPerSecond: (1000 * batch) / step,
      imagesPerSecondWithoutData: (1000 * batch) / (step - data),
      losses,
      liveTensors,
      readBack: await measureReadBack(run, replica, batch, settings.readBacks),
    };
  } finally {
    replica.dispose();
    await run.thread.close();
  }
}

async function replicaOf({ config, loaded: { model }, names }: PreparedRun): Promise<Replica> {
  const weights = toStateDict(names, await initialWeights(model, config));
  return new Replica(model, parameterValues(model, names, weights), { factoredKernels: factorableKernels(model) });
}

/** Returns the tasks of steps, without the smaller last batch of each epoch. */
function fullBatches(batch: number, samples: number, steps: number): StepTask[] {
  const perEpoch = Math.floor(samples / batch);
  return Array.from({ length: steps }, (_, step) => {
    const epoch = Math.floor(step / perEpoch);
    const start = (step % perEpoch) * batch;
    return { type: "step", epoch, step: toStep(step), start, end: start + batch, learningRate: 0.01 };
  });
}

async function measureReadBack(
  { thread }: PreparedRun,
  replica: Replica,
  batch: number,
  rounds: number,
): Promise<ReadBackFigures> {
  thread.request({ split: "train", epoch: 0, start: 0, end: batch });
  const images = await thread.next();
  const ms: number[] = [];
  let bytes = 0;
  for (let round = 0; round < rounds; round++) {
    const contribution = await computeGradients(replica, images, { seed: 0, step: round, clock: new LapClock() });
    const { gradients } = contribution;
    const tensors = gradients.flatMap((gradient) =>
      gradient.form === "dense" ? [gradient.sum] : [gradient.input, gradient.delta],
    );
    // The GPU may still be computing: this waits for all gradients.
    await readBack(tf.tidy(() => tf.stack(tensors.map((tensor) => tensor.sum()))));
    const startMs = performance.now();
    bytes = 0;
    for (const tensor of tensors) bytes += (await readBack(tensor)).byteLength;
    ms.push(performance.now() - startMs);
    disposeContribution(contribution);
  }
  const medianMs = median(ms);
  return { bytes, medianMs, gigabytesPerSecond: bytes / medianMs / 1e6 };
}
