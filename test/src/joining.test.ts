/**
 * Tests what workers receive when they join a run, which of them are refused, and what ends a
 * run before its first step.
 */

import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { elementCount, readSafetensors, writeSafetensors } from "@lockstep/formats";
import { type ModelSpec, specStateDict } from "@lockstep/model/files";
import { uniforms } from "@lockstep/random";
import { defined, temporaryFolder } from "@lockstep/testing";
import { test as base, expect } from "vitest";
import tinySpec from "../fixtures/tiny-model.js";
import { succeeds, trainWithPool } from "./testing/pool/pool-training.ts";
import { WorkerPool } from "./testing/pool/worker-pool.ts";
import { run as runToEnd, tinyModel, wideModel } from "./testing/program.ts";
import { Training } from "./testing/training.ts";
import { stepsOf } from "./testing/undisturbed.ts";

const codeModel = fileURLToPath(new URL("../fixtures/code-model.js", import.meta.url));
const cifar10 = process.env["LOCKSTEP_TEST_CIFAR10"];
const folder = temporaryFolder();
const dataOfWorkers = join(folder, "data-of-workers"); // has no files
const shapes = ["--dataset", "shapes", "--train-fraction", "1", "--no-test"];
const weightsOf = (out: string) => readFileSync(join(out, "Tiny.safetensors"));

const test = base.extend("pool", { scope: "file" }, () => new WorkerPool(2, "file", { LOCKSTEP_DATA: dataOfWorkers }));

/** Writes drawn weights of the tiny model, sorted by their names, which is not the model's order. */
async function writeSortedWeights(path: string): Promise<void> {
  const tensors = specStateDict(tinySpec as ModelSpec).map(({ name, torchShape }, index) => {
    const data = uniforms(index, "init", [0, 0, 0], elementCount(torchShape)).map((value) => value / 10);
    return { name, shape: torchShape, data };
  });
  await writeSafetensors(
    path,
    tensors.sort((a, b) => (a.name < b.name ? -1 : 1)),
  );
}

/**
 * The folders of a run on one machine, and of one whose worker has neither the model's file nor that of the weights.
 */
const specTest = test.extend("runs", { scope: "file" }, async ({ pool }) => {
  const runs = { local: join(folder, "local"), remote: join(folder, "remote") };
  const [spec, weights] = [join(folder, "net.mjs"), join(folder, "sorted.safetensors")];
  copyFileSync(tinyModel, spec);
  await writeSortedWeights(weights);
  const steps = ["--batch-size", "250", "--slice-rows", "60", "--max-steps", "3"];
  const options = [...shapes, ...steps, "--model", spec, "--init-from", weights];
  await succeeds(["train", ...options, "--threads", "1", "--out", runs.local], "file");
  const remote = await Training.start(["--workers", "1", ...options], runs.remote, "file");
  rmSync(spec);
  rmSync(weights);
  await trainWithPool(pool, remote, ["a"]);
  return runs;
});

specTest("a worker without the model spec and the initial weights receives them, and computes the same", ({ runs }) => {
  expect(weightsOf(runs.remote).equals(weightsOf(runs.local))).toBe(true);
});

specTest("a coordinator's run folder gets the model for browsers", ({ runs: { remote } }) => {
  const { weightsManifest } = JSON.parse(readFileSync(join(remote, "tfjs", "model.json"), "utf8"));
  expect(weightsManifest[0].weights.length).toBe(6);
  // conv1 8·27 + 8, fc1 512·32 + 32, fc2 32·10 + 10; 4 bytes each
  expect(statSync(join(remote, "tfjs", "weights.bin")).size).toBe(4 * (224 + 16_416 + 330));
});

/** Writes a code model that sets all weights of its last layer to a value, and returns its path. */
function writeCodeModel(name: string, value: number, lastLayer = 'name: "fc2"'): string {
  const path = join(folder, name);
  const change = `const [kernel] = layers[2].getWeights();
    layers[2].setWeights([tf.fill(kernel.shape, ${value}), tf.zeros([numClasses])]);
    model.compile({ optimizer: "adam", loss: "categoricalCrossentropy" });
    return model;`;
  const code = readFileSync(codeModel, "utf8")
    .replace("return tf", "const model = tf")
    .replace('name: "fc2"', lastLayer);
  writeFileSync(path, code.replace(/}\s*$/, `${change} }`));
  return path;
}

/**
 * A run of a code model by two workers, and its resume. Between the two joins, workers without the model and with
 * other ones try to join, and a worker with another model tries at the resume.
 */
const codeTest = test.extend("code", { scope: "file" }, async ({ pool }) => {
  const model = writeCodeModel("model.mjs", 0.5);
  const otherWeights = { model: writeCodeModel("other-weights.mjs", 0.25) };
  const otherActivation = { model: writeCodeModel("other-activation.mjs", 0.5, 'activation: "relu", name: "fc2"') };
  const options = ["--model", model, ...shapes, "--batch-size", "50", "--lr", "1e-9", "--max-steps", "1"];
  const run = await Training.start(["--workers", "2", ...options], join(folder, "code"), "file");
  const [mine, other] = [await pool.acquire(), await pool.acquire()];
  mine.join("mine", run.url, { model });
  await run.coordinator.prints("mine joined");
  const refused = {
    withoutModel: await runToEnd(["worker", "--coordinator", run.url, "--threads", "1"], {}, "file"),
    otherActivation: await other.failure("other", run.url, otherActivation),
    otherWeights: await other.failure("other", run.url, otherWeights),
  };
  other.join("with-a-copy", run.url, { model });
  const first = await run.coordinator.finished;
  const weights = readSafetensors(join(run.out, "Coded.safetensors")).tensors;
  await Promise.all([mine.ready(), other.ready()]);
  await run.resume(["--max-steps", "2"]);
  const refusedAtResume = await other.failure("other", run.url, otherActivation);
  mine.join("mine", run.url, { model });
  other.join("with-a-copy", run.url, { model });
  const resumed = await run.coordinator.finished;
  for (const worker of [mine, other]) {
    await worker.ready();
    pool.release(worker);
  }
  return { first, weights, refused, refusedAtResume, resumed, steps: stepsOf(run.out).length };
});

codeTest("a worker without a copy of a code model is refused with that reason", ({ code }) => {
  expect(code.refused.withoutModel).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/^ERR_MODEL_CODE: /m),
  });
});

codeTest("workers with a copy of a code model train it, at a resume too", ({ code }) => {
  expect(code.first).toMatchObject({ status: 0, stderr: "" });
  expect(code.resumed).toMatchObject({ status: 0, stderr: "" });
  expect(code.steps).toBe(2);
});

codeTest("a worker whose code model differs in one activation is refused, and learns which", ({ code }) => {
  expect(code.refused.otherActivation).toMatch(
    /^ERR_FINGERPRINT: Its model\.config\.layers\.2\.config\.activation is "relu", but .* has "linear"/,
  );
});

codeTest("a worker whose code model sets other weights is refused", ({ code }) => {
  expect(code.refused.otherWeights).toMatch(
    /^ERR_FINGERPRINT: The weights from its model's module or initializers are not those of /,
  );
});

codeTest(
  "a worker whose code model differs from the one that the run started with is refused at a resume",
  ({ code }) => {
    expect(code.refusedAtResume).toMatch(
      /^ERR_MODEL_CHANGED: This worker's model differs from the one that the run started with/,
    );
  },
);

codeTest("the weights that a code model sets are those that the run starts with", ({ code }) => {
  const { data } = defined(code.weights.get("fc2.weight"));
  expect(data.every((value) => Math.abs(value - 0.5) < 1e-6)).toBe(true);
});

codeTest("the coordinator prints once what a code model sets, and which settings are not used", ({ code }) => {
  const lines = code.first.stdout.split("\n");
  expect(lines.filter((line) => /^weights: 2 of 4 loaded or set by the model's module/.test(line)).length).toBe(1);
  expect(lines.filter((line) => /^compile: the optimizer Adam .* are not used/.test(line)).length).toBe(1);
});

/** The folders of a run with CIFAR-10's files, and of one by workers without them. */
const recordsTest = test.extend("runs", { scope: "file" }, async ({ pool }) => {
  const runs = { local: join(folder, "cifar10"), remote: join(folder, "cifar10-remote") };
  const data = ["--data-dir", defined(cifar10), "--train-fraction", "0.999", "--no-test"];
  const options = ["--model", tinyModel, ...data, "--batch-size", "50", "--slice-rows", "20", "--max-steps", "20"];
  await succeeds(["train", ...options, "--threads", "1", "--out", runs.local], "file");
  const remote = await Training.start(["--workers", "2", ...options], runs.remote, "file");
  await trainWithPool(pool, remote, ["a", "b"]);
  return runs;
});

recordsTest.skipIf(cifar10 === undefined)(
  "workers without CIFAR-10 train 20 steps on records from the coordinator",
  ({ runs }) => {
    const losses = (out: string) => stepsOf(out).map(({ loss }) => loss);
    expect(losses(runs.remote)).toEqual(losses(runs.local));
    expect(losses(runs.remote).length).toBe(20);
    expect(weightsOf(runs.remote).equals(weightsOf(runs.local))).toBe(true);
  },
);

recordsTest.skipIf(cifar10 === undefined)("the workers of a machine share one cache of records", ({ runs: _ }) => {
  expect(readdirSync(join(dataOfWorkers, "cifar10", "records")).length).toBe(1);
});

test("weights that do not fit the model end coordinator and worker with the same reason", async ({ pool }) => {
  const initFrom = join(folder, "of-another.safetensors");
  await writeSafetensors(initFrom, [{ name: "fc1.weight", shape: [1], data: Float32Array.of(1) }]);
  const options = ["--workers", "1", "--model", codeModel, ...shapes, "--init-from", initFrom];
  const run = await Training.start(options, join(folder, "unfit"));
  const worker = await pool.acquire();
  const failure = await worker.failure("a", run.url, { model: codeModel });
  pool.release(worker);
  const { status, stderr } = await run.coordinator.finished;
  const reason = /^ERR_STATE_DICT: The weights do not match the model:\s+fc1.weight has the shape \[1\]/m;
  expect(failure).toMatch(reason);
  expect(stderr).toMatch(reason);
  expect(status).toBe(1);
});

test("dense gradients that exceed the memory end the coordinator before the first step, with the options to change", async ({
  pool,
}) => {
  const slices = ["--batch-size", "8192", "--slice-rows", "1", "--sync", "dense"];
  const run = await Training.start(
    ["--workers", "1", "--model", wideModel, ...shapes, ...slices],
    join(folder, "wide"),
  );
  const worker = await pool.acquire();
  const failure = await worker.failure("a", run.url, { reconnectMs: 0 });
  pool.release(worker);
  const { status, stderr } = await run.coordinator.finished;
  expect(stderr).toMatch(/^ERR_SUMS: .* got 8192 slices of 27 MB of dense gradients; raise --slice-rows/);
  expect([status, stepsOf(run.out)]).toEqual([1, []]);
  expect(failure).toContain("ERR_DISCONNECTED");
});
