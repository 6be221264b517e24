/** Tests that a run has the same result whatever computes it: one machine, several workers, or fewer after a fault. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type MetricsRow, median, readMetrics } from "@lockstep/run";
import { defined, temporaryFolder } from "@lockstep/testing";
import { test as base, expect, onTestFinished } from "vitest";
import { assertSucceeded } from "./testing/assert-succeeded.ts";
import { TcpProxy } from "./testing/network/tcp-proxy.ts";
import { succeeds, trainWithPool } from "./testing/pool/pool-training.ts";
import { WorkerPool } from "./testing/pool/worker-pool.ts";
import { tinyModel } from "./testing/program.ts";
import { Training } from "./testing/training.ts";
import { type StepRow, stepsOf } from "./testing/undisturbed.ts";

const folder = temporaryFolder();
// The batch size is not divisible by any number of workers here. Dropout and augmentation are on.
const training = ["--model", tinyModel, "--dataset", "shapes", "--batch-size", "250", "--lr", "0.05"].concat(
  "--augment",
  "flip-crop",
);
const fixed = [...training, "--train-fraction", "0.95", "--slice-rows", "60"];
const SLICES = 5;
const STEPS = 9;
const steps = ["--max-steps", String(STEPS)];

const lossesOf = (out: string) => stepsOf(out).map(({ step, loss }) => [step, loss]);
const weightsOf = (out: string) => readFileSync(join(out, "Tiny.safetensors"));
const evaluationsOf = (out: string) => readMetrics(join(out, "metrics.jsonl")).filter(({ type }) => type !== "step");

const test = base
  .extend("pool", { scope: "file" }, () => new WorkerPool(3, "file"))
  /** The folder of a run on one machine with fixed slices, whose bits other runs must have. */
  .extend("alone", { scope: "file" }, async () => {
    const out = join(folder, "alone");
    await succeeds(["train", ...fixed, ...steps, "--threads", "1", "--out", out], "file");
    return out;
  })
  /** The folder of a run by three workers. */
  .extend("three", { scope: "file" }, async () => {
    const run = await Training.start(["--workers", "3", ...fixed, ...steps], join(folder, "three"), "file");
    const workers = await Promise.all(["a", "b", "c"].map((name) => run.worker(name)));
    for (const { finished } of [run.coordinator, ...workers]) assertSucceeded(await finished);
    return run.out;
  });

test("three workers with fixed slices give the losses of one to the bit", ({ alone, three }) => {
  expect(lossesOf(three)).toEqual(lossesOf(alone));
});

test("three workers with fixed slices give the weights of one to the bit", ({ alone, three }) => {
  expect(weightsOf(three).equals(weightsOf(alone))).toBe(true);
});

test("three workers compute as many samples as each batch has, in slices of the fixed size", ({ three }) => {
  const rows = stepsOf(three);
  expect(rows).toHaveLength(STEPS);
  for (const { workers, slices, samples } of rows) {
    expect(slices).toBe(SLICES);
    expect(defined(workers).reduce((sum, worker) => sum + worker.samples, 0)).toBe(samples);
  }
});

test("three workers' evaluations have the accuracies of one, and its losses up to rounding", ({ alone, three }) => {
  // They count the same samples, but sum the losses in other batches.
  const expected = (row: MetricsRow) => {
    if (row.type === "test") return { ...row, loss: expect.closeTo(row.loss, 5), samples: 2000 };
    if (row.type === "epoch") return { ...row, evalLoss: expect.closeTo(defined(row.evalLoss), 5) };
    return { type: row.type };
  };
  expect(evaluationsOf(three)).toMatchObject(evaluationsOf(alone).map(expected));
});

test("a run in which a worker is killed has the losses and weights of an undisturbed run", async ({ alone, pool }) => {
  const run = await Training.start(["--balance", "even", ...fixed, ...steps], join(folder, "killed"));
  const slowLink = await TcpProxy.to(run.port); // a step of the worker behind it takes a second
  onTestFinished(() => slowLink.close());
  slowLink.upSpeed.bytesPerSecond = 200_000;
  const [staying, doomed] = [await pool.acquire(), await run.worker("doomed", { url: slowLink.url })];
  staying.join("staying", run.url);
  await run.advances(1);
  doomed.child.kill("SIGKILL");
  const finished = await run.coordinator.finished;
  assertSucceeded(finished);
  expect(finished.stdout).toContain("doomed was lost: its connection closed (1 connected)");
  await staying.ready();
  pool.release(staying);
  expect(lossesOf(run.out)).toEqual(lossesOf(alone));
  expect(weightsOf(run.out).equals(weightsOf(alone))).toBe(true);
});

test("a run that continues with other numbers of workers, as one process and through a coordinator, has the losses and weights of an uninterrupted run", async ({
  alone,
  pool,
}) => {
  const run = await Training.start(
    ["--workers", "3", ...fixed, "--no-test", "--max-steps", "3"],
    join(folder, "continued"),
  );
  await trainWithPool(pool, run, ["a", "b", "c"]); // each has one thread, which the resumed runs keep
  const resume = ["train", "--no-dashboard", "--resume", run.out];
  await succeeds([...resume, "--max-steps", "5"]);
  await succeeds([...resume, "--max-steps", "7", "--workers", "2"]);
  await run.resume(steps);
  await trainWithPool(pool, run, ["d", "e"]);
  expect(lossesOf(run.out)).toEqual(lossesOf(alone));
  expect(weightsOf(run.out).equals(weightsOf(alone))).toBe(true);
});

const unsliced = [...training, "--train-fraction", "1", "--no-test", "--max-steps", "6"];

/** Trains with two workers that have one slice of each step, and returns the rows of the steps. */
async function stepsOfTwo(pool: WorkerPool, name: string, options: string[]): Promise<StepRow[]> {
  const run = await Training.start(["--balance", "even", ...unsliced, ...options], join(folder, name), "file");
  await trainWithPool(pool, run, ["a", "b"]);
  return stepsOf(run.out);
}

const unslicedTest = test
  .extend("one", { scope: "file" }, async () => {
    const out = join(folder, "unsliced");
    await succeeds(["train", ...unsliced, "--threads", "1", "--out", out], "file");
    return stepsOf(out);
  })
  .extend("dense", { scope: "file" }, ({ pool }) => stepsOfTwo(pool, "dense", ["--sync", "dense"]))
  .extend("factored", { scope: "file" }, ({ pool }) => stepsOfTwo(pool, "factored", ["--sync", "factored"]))
  .extend("bf16", { scope: "file" }, ({ pool }) => stepsOfTwo(pool, "bf16", ["--sync", "factored", "--wire", "bf16"]));

/** Returns the losses of the rows, up to an error of half a unit in a decimal place. */
const roundedLosses = (rows: StepRow[], decimals: number) => rows.map(({ loss }) => expect.closeTo(loss, decimals));

/** Returns the bytes that both workers sent in a usual step. A busy machine may compute a slice twice in another. */
const bytesUp = (rows: StepRow[]) =>
  median(rows.map(({ workers }) => defined(workers).reduce((total, worker) => total + worker.bytesUp, 0)));

unslicedTest("two workers with one slice each give the losses of one, up to rounding", ({ one, dense }) => {
  expect(dense.map(({ loss }) => loss)).toEqual(roundedLosses(one, 4));
});

unslicedTest("factored gradients give the losses of dense ones, up to rounding", ({ dense, factored }) => {
  expect(factored.map(({ loss }) => loss)).toEqual(roundedLosses(dense, 5));
});

unslicedTest("gradients in bf16 give the losses of fp32 to two decimals", ({ factored, bf16 }) => {
  expect(bf16.map(({ loss }) => loss)).toEqual(roundedLosses(factored, 2));
});

unslicedTest("gradients in bf16 have half the bytes of fp32", ({ factored, bf16 }) => {
  expect(bytesUp(bf16) / bytesUp(factored)).toBeCloseTo(0.5, 1);
});

unslicedTest(
  "the factors of a large batch have more bytes than the dense gradients of a small layer",
  ({ dense, factored }) => {
    // 250 rows of 512 + 32 numbers for fc1, and two workers' gradients of its 512 · 32 weights
    expect(bytesUp(factored) / bytesUp(dense)).toBeGreaterThan(2);
  },
);

test("workers on unlike devices round differently, and their drift is reported and corrected after each epoch", async ({
  pool,
}) => {
  // One epoch of 20 steps, and another that ends after its third step.
  const epochs = [
    "--train-fraction",
    "1",
    "--batch-size",
    "500",
    "--num-epochs",
    "2",
    "--max-steps",
    "23",
    "--no-test",
  ];
  const options = ["--model", tinyModel, "--dataset", "shapes", "--sync", "factored", ...epochs];
  const run = await Training.start(["--balance", "even", ...options], join(folder, "unlike"));
  const wasm = run.worker("wasm", { options: ["--backend", "wasm"] });
  const { stdout } = await trainWithPool(pool, run, ["native"]);
  expect((await (await wasm).finished).status).toBe(0);
  const { derived } = JSON.parse(readFileSync(join(run.out, "config.json"), "utf8"));
  expect(derived.devices.map(({ backend }: { backend: string }) => backend).sort()).toEqual(["native", "wasm"]);
  const drifts = stdout.matchAll(/had drifted from \w+ by up to (\S+), because their devices round differently;/g);
  const differences = [...drifts].map(([, difference]) => Number(difference));
  expect(differences.length).toBe(2);
  for (const difference of differences) {
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(1e-3);
  }
});
