/** Compares training on WebGPU with other backends. CI uses a software adapter, which is much slower than a GPU. */
import { join } from "node:path";
import type { Batch } from "@lockstep/dataset";
import { type BackendName, readBack, startEngine, tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { factorableKernels, initialWeights, loadModel } from "@lockstep/model";
import { defined, drawTest, temporaryFolder } from "@lockstep/testing";
import {
  applyUpdate,
  computeGradients,
  disposeContribution,
  evaluateBatch,
  LapClock,
  Replica,
} from "@lockstep/training";
import { beforeAll, describe, expect } from "vitest";
import { fixtureBatch, readFixture } from "./pytorch/fixture.ts";
import { compareWithPytorch, distance } from "./pytorch/parity.ts";
import { assertSucceeded } from "./testing/assert-succeeded.ts";
import { type Finished, run, start, tinyModel } from "./testing/program.ts";
import { runInProcess } from "./testing/run-in-process.ts";
import { type StepRow, stepsOf } from "./testing/undisturbed.ts";

const swiftShader = process.env["LOCKSTEP_TEST_SWIFTSHADER"];
const skipReason = swiftShader ? "" : " (skipped: no software GPU, see provide-engine.ts)";
const TOLERANCE = 1e-3;
const sgd = { learningRate: 0.01, momentum: 0.9, weightDecay: 1e-4 };

/** Returns a model with initial weights from seed 0, on the current backend. */
async function replicaOf(path: string): Promise<Replica> {
  const { model } = await loadModel(path, {});
  const weights = await initialWeights(model, { init: "pytorch", seed: 0 });
  const values = model.trainableWeights.map(({ shape }, index) => ({
    shape: shape as number[],
    weight: defined(weights[index]),
  }));
  return new Replica(model, values, { factoredKernels: factorableKernels(model) });
}

const gradientsOf = (replica: Replica, batch: Batch, step: number) =>
  computeGradients(replica, batch, { seed: 0, step, clock: new LapClock() });

/**
 * Returns the results of each step: the loss, every gradient (dense or as its two factors), and the updated weights.
 */
async function train(backend: BackendName, path: string, batches: readonly Batch[]): Promise<Float32Array[][]> {
  await startEngine({ backend });
  const replica = await replicaOf(path);
  const outcomes: Float32Array[][] = [];
  for (const [step, batch] of batches.entries()) {
    const update = await gradientsOf(replica, batch, step);
    const values: Float32Array[] = [Float32Array.of(update.lossSum)];
    for (const gradient of update.gradients) {
      const tensors = gradient.form === "dense" ? [gradient.sum] : [gradient.input, gradient.delta];
      for (const tensor of tensors) values.push(await readBack(tensor));
    }
    applyUpdate(replica.parameters, update, sgd);
    disposeContribution(update);
    for (let i = 0; i < replica.parameters.length; i++) values.push(await readBack(replica.parameters.weight(i)));
    outcomes.push(values);
  }
  replica.dispose();
  return outcomes;
}

/** Asserts that the relative L2 distance of each tensor is below the tolerance. */
function assertSame(actual: readonly Float32Array[], expected: readonly Float32Array[]): void {
  expect(actual.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
  for (const [index, values] of expected.entries()) {
    let difference = 0;
    let squaredNorm = 0;
    for (const [i, value] of values.entries()) {
      difference += (defined(defined(actual[index])[i]) - value) ** 2;
      squaredNorm += value ** 2;
    }
    expect(squaredNorm).toBeGreaterThan(0);
    expect(Math.sqrt(difference / squaredNorm), `tensor ${index}`).toBeLessThan(TOLERANCE);
  }
}

const tiny = ["--model", tinyModel, "--dataset", "shapes", "--train-fraction", "1", "--no-test"];

/** Trains with a command of `pnpm` in this process, and asserts that it succeeds. */
async function trainHere(...words: string[]): Promise<void> {
  assertSucceeded(await runInProcess(["train", "--no-dashboard", ...words]));
}

async function matchesJavaScript(): Promise<void> {
  const batches = [0, 1, 2].map((step) => fixtureBatch(step, 6, 32, 10));
  const expected = await train("cpu", tinyModel, batches);
  for (const [step, actual] of (await train("webgpu", tinyModel, batches)).entries()) {
    assertSame(actual, defined(expected[step]));
  }
}

async function leaksNothing(): Promise<void> {
  await startEngine({ backend: "webgpu" });
  const replica = await replicaOf(tinyModel);
  const batch = fixtureBatch(0, 4, 32, 10);
  const memory: unknown[] = [];
  for (let step = 0; step < 30; step++) {
    const update = await gradientsOf(replica, batch, step);
    applyUpdate(replica.parameters, update, sgd);
    disposeContribution(update);
    await evaluateBatch(replica, batch);
    const { numTensors, numBytesInGPU, numBytesAllocatedInGPU } = tf.memory() as tf.MemoryInfo & {
      numBytesInGPU: number;
      numBytesAllocatedInGPU: number;
    };
    memory.push({ numTensors, numBytesInGPU, numBytesAllocatedInGPU });
  }
  replica.dispose();
  expect(memory.slice(5)).toEqual(Array(25).fill(memory[5]));
}

async function continuesAfterStop(): Promise<void> {
  const dir = temporaryFolder();
  const [other, gpu] = [join(dir, "other"), join(dir, "gpu")];
  const options = [...tiny, "--batch-size", "20"];
  await trainHere(...options, "--max-steps", "4", "--out", other);
  await trainHere(...options, "--backend", "webgpu", "--max-steps", "2", "--out", gpu);
  const resumed = await run(["train", "--resume", gpu, "--max-steps", "4"]);
  expect(resumed.stderr).toBe("");
  expect(resumed.stdout).toMatch(/^engine: TensorFlow.js on webgpu .* GPU SwiftShader/m);
  expect(resumed.stdout).not.toContain("many times slower");
  expect(stepsOf(gpu).length).toBe(4);
  for (const [step, { loss }] of stepsOf(other).entries()) {
    expect(Math.abs(defined(stepsOf(gpu)[step]).loss / loss - 1)).toBeLessThan(TOLERANCE);
  }
}

const mixedTraining = [...tiny, "--batch-size", "200", "--num-epochs", "1", "--max-steps", "50", "--sync", "factored"];

/** Trains with a native and a WebGPU worker. @returns how the coordinator and the workers ended */
async function trainMixedTeam(out: string): Promise<{ coordinator: Finished; native: Finished; webgpu: Finished }> {
  const patient = ["--heartbeat-ms", "10000"]; // a software adapter is slower than the estimate for a new device
  const coordinator = start(["coordinator", "--workers", "2", ...patient, ...mixedTraining, "--out", out]);
  await coordinator.prints("pnpm worker --coordinator");
  const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
  const worker = (backend: string) =>
    run(["worker", "--coordinator", url, "--name", backend, "--backend", backend, "--threads", "1"]);
  const [native, webgpu] = [worker("native"), worker("webgpu")];
  return { coordinator: await coordinator.finished, native: await native, webgpu: await webgpu };
}

const samplesOf = ({ workers }: StepRow, name: string) =>
  defined(workers).find((worker) => worker.name === name)?.samples ?? 0;

async function mixedTeamTrainsAsOneMachine(): Promise<void> {
  const dir = temporaryFolder();
  const [alone, both] = [join(dir, "alone"), join(dir, "both")];
  await trainHere(...mixedTraining, "--threads", "1", "--out", alone);
  const { coordinator, native, webgpu } = await trainMixedTeam(both);
  for (const finished of [coordinator, native, webgpu]) assertSucceeded(finished);

  expect(stepsOf(both).length).toBe(50);
  for (const [step, { loss }] of stepsOf(alone).entries()) {
    expect(Math.abs(defined(stepsOf(both)[step]).loss - loss)).toBeLessThan(TOLERANCE * Math.max(1, loss));
  }
  const [first, last] = [at(stepsOf(both), 0), at(stepsOf(both), -1)];
  expect([samplesOf(first, "native"), samplesOf(first, "webgpu")]).toEqual([100, 100]);
  expect(samplesOf(last, "native")).toBeGreaterThan(3 * samplesOf(last, "webgpu"));
  expect(coordinator.stdout).toMatch(
    /^(native|webgpu) had drifted from (native|webgpu) by up to \S+, because their devices round differently;/m,
  );
  expect(coordinator.stdout).toMatch(/^webgpu joined: SwiftShader .+, tensors up to \d+\.\d GiB, webgpu/m);
  expect(webgpu.stdout).toMatch(/^warmed up the GPU with a step on zeros in .* s\nwebgpu joined/m);
  expect(native.stdout).not.toContain("on zeros");
}

async function alexnetMatchesPytorch(): Promise<void> {
  await startEngine({ backend: "webgpu" });
  const fixture = readFixture("alexnet-cifar10-4-images-pytorch.json");
  const comparisons = await compareWithPytorch(fixture, 32, 10);
  expect(comparisons.length).toBe(2 + 2 * Object.keys(fixture.update_l2).length);
  for (const comparison of comparisons) expect(distance(comparison), comparison.what).toBeLessThan(TOLERANCE);
}

const proofs = {
  "three steps with dropout have the losses, gradients and weights of the JavaScript backend": matchesJavaScript,
  "thirty steps leak no tensor and no GPU memory": leaksNothing,
  "a run on the command line has the native engine's losses, and continues after a stop": continuesAfterStop,
  "a WebGPU and a native worker get slices by their speed; the losses are those of one machine, and drift is reported and corrected":
    mixedTeamTrainsAsOneMachine,
  // 4 images instead of a batch: even they take a software adapter a minute.
  "a step of AlexNet has PyTorch's loss, gradients and update": alexnetMatchesPytorch,
};

describe.skipIf(!swiftShader)(`training on WebGPU${skipReason}`, () => {
  beforeAll(() => {
    Object.assign(process.env, { VK_ICD_FILENAMES: swiftShader, LOCKSTEP_ALLOW_SOFTWARE_GPU: "1" });
  });

  drawTest("training on WebGPU", proofs);
});
