/** Tests what `pnpm train` prints, computes and writes, from its start to its end. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readSafetensors } from "@lockstep/formats";
import { readMetrics, sum } from "@lockstep/run";
import { test as base, defined, temporaryFolder } from "@lockstep/testing";
import { expect } from "vitest";
import { assertSucceeded } from "./testing/assert-succeeded.ts";
import { run } from "./testing/program.ts";
import { runInProcess } from "./testing/run-in-process.ts";
import { tinyTraining } from "./testing/tiny-training.ts";
import { stepsOf } from "./testing/undisturbed.ts";

const codeModel = fileURLToPath(new URL("../fixtures/code-model.js", import.meta.url));
const folderOfWhole = temporaryFolder();
/** `whole` is a complete run of two epochs, with validation and test. */
const test = base.extend("whole", { scope: "file" }, async () => {
  const out = join(folderOfWhole, "whole");
  const finished = await run([...tinyTraining, "--num-epochs", "2", "--out", out]);
  assertSucceeded(finished);
  return { out, stdout: finished.stdout };
});

const brief = ["--train-fraction", "1", "--no-test", "--no-dashboard"];

test("a complete run prints a line for each epoch and one for the test", ({ whole }) => {
  const number = String.raw`\d+\.\d{3}`;
  const epoch = `train_loss: ${number} train_acc: ${number}% eval_loss: ${number} eval_acc: ${number}%`;
  // A slow machine prints progress in between.
  const lines = whole.stdout.split("\n").filter((line) => line.startsWith("["));
  expect(lines.join("\n")).toMatch(
    new RegExp(String.raw`^\[Epoch   1\] ${epoch}\n\[Epoch   2\] ${epoch}\n\[Test \] loss: ${number} acc: ${number}%$`),
  );
});

test("a complete run prints the next steps at its end", ({ whole }) => {
  expect(whole.stdout.trimEnd().split("\n").at(-1)).toBe(
    `next:    pnpm evaluate --run ${whole.out}, pnpm predict --run ${whole.out} PICTURE, pnpm train --help`,
  );
});

test("a complete run writes all files of a run folder", ({ whole }) => {
  const charts = ["loss", "accuracy", "confusion"].flatMap((name) => [`charts/${name}.svg`, `charts/${name}.png`]);
  const results = ["config.json", "metrics.jsonl", "report.json", "Tiny.safetensors", "tfjs/model.json", ...charts];
  expect(results.filter((file) => !existsSync(join(whole.out, file)))).toEqual([]);
  expect(readdirSync(join(whole.out, "checkpoints"))).toEqual([
    "best.safetensors",
    "step-00000032.safetensors",
    "step-00000064.safetensors",
  ]);
  expect(readdirSync(join(whole.out, "events")).length).toBe(1);
});

test("a complete run has a row for each step, including the smaller last batch of an epoch", ({ whole }) => {
  // 8,000 of 10,000 samples train: 31 batches of 256 and one of 64.
  const epoch = (number: number) => Array.from({ length: 32 }, (_, step) => [number, step < 31 ? 256 : 64]);
  expect(stepsOf(whole.out).map(({ step, epoch, samples }) => [step, epoch, samples])).toEqual(
    [...epoch(1), ...epoch(2)].map((row, step) => [step, ...row]),
  );
});

test("the segments of each step's time are named, and together they cover the steps", ({ whole }) => {
  const times = stepsOf(whole.out).map(({ ms }) => ms);
  for (const ms of times)
    expect(Object.keys(ms)).toEqual(expect.arrayContaining(["step", "data", "forward", "backward"]));
  const covered = times.map(({ step, ...segments }) => sum(Object.values(segments)));
  expect(sum(covered) / sum(times.map(({ step }) => step))).toBeGreaterThan(0.95);
});

test("the means of an epoch weight each batch by its samples", ({ whole }) => {
  const rows = stepsOf(whole.out).slice(0, 32);
  const epoch = defined(readMetrics(join(whole.out, "metrics.jsonl")).find((row) => row.type === "epoch"));
  const samples = rows.reduce((sum, row) => sum + row.samples, 0);
  expect(samples).toBe(8000);
  expect(epoch.trainLoss).toBeCloseTo(rows.reduce((sum, row) => sum + row.loss * row.samples, 0) / samples, 10);
  expect(epoch.trainAccuracy).toBe(rows.reduce((sum, row) => sum + row.correct, 0) / samples);
});

test("pnpm evaluate reproduces the loss and the accuracy of a run's report", async ({ whole }) => {
  const { accuracy, loss } = JSON.parse(readFileSync(join(whole.out, "report.json"), "utf8"));
  const { stdout } = await runInProcess(["evaluate", "--run", whole.out]);
  expect(stdout.split("\n")[0]).toBe(`[Test ] loss: ${loss.toFixed(3)} acc: ${(100 * accuracy).toFixed(3)}%`);
});

test("a second run in the folder of a run is refused", async ({ whole }) => {
  const { status, stderr } = await runInProcess([...tinyTraining, "--out", whole.out]);
  expect(status).toBe(1);
  expect(stderr).toContain(`ERR_RUN_EXISTS: Expected --out to be a new folder, but ${whole.out} holds a run.`);
});

test("a run with shared layers trains, and writes all its files", async ({ folder }) => {
  const dense = "drop, relu, l.dense({ units: 16 }), drop, relu, l.dense({ units: numClasses }), drop";
  const layers = `l.averagePooling2d({ poolSize: 4, inputShape }), l.flatten(), ${dense}`;
  const body = `const l = tf.layers; const [relu, drop] = [l.reLU(), l.dropout({ rate: 0.1 })];
    return tf.sequential({ name: "Shared", layers: [${layers}] });`;
  const [model, out] = [join(folder, "shared.mjs"), join(folder, "run")];
  writeFileSync(model, `export default ({ tf, inputShape, numClasses }) => { ${body} }`);
  const options = ["--dataset", "shapes", ...brief, "--max-steps", "2", "--out", out];
  assertSucceeded(await runInProcess(["train", "--model", model, ...options]));
  expect(defined(stepsOf(out)[0]).loss, "about ln 10, that of guessing").toBeCloseTo(2.3, 0);
  const { tensors } = readSafetensors(join(out, "Shared.safetensors"));
  expect([...tensors].map(([name, { shape }]) => `${name} ${shape.join("×")}`)).toEqual([
    ...["dense_4.weight 16×192", "dense_4.bias 16", "dense_7.weight 10×16", "dense_7.bias 10"],
  ]);
  expect(existsSync(join(out, "tfjs", "model.json"))).toBe(true);
});

test("a run without a validation split prints no eval columns", async ({ folder }) => {
  const options = [...brief, "--max-steps", "3", "--out", join(folder, "run")];
  const { stdout } = await runInProcess([...tinyTraining, ...options]);
  expect(stdout).toMatch(/\[Epoch {3}1\] train_loss: \d+\.\d{3} train_acc: \d+\.\d{3}%\n/);
  expect(stdout).not.toContain("eval_");
});

test("--max-rows computes the same losses in smaller batches", async ({ folder }) => {
  const losses = async (name: string, ...options: string[]) => {
    const out = join(folder, name);
    const { status } = await runInProcess([...tinyTraining, ...brief, "--max-steps", "3", ...options, "--out", out]);
    expect(status).toBe(0);
    return stepsOf(out).map(({ loss }) => loss);
  };
  const whole = await losses("whole");
  expect(await losses("parts", "--max-rows", "100")).toEqual(whole.map((loss) => expect.closeTo(loss, 5)));
  expect(whole.length).toBe(3);
});

test.for([
  ["alexnet", "62,378,344"],
  ["alexnet-cifar10", "36,113,290"],
  [codeModel, "49,338"], // (3072 + 1) · 16 + (16 + 1) · 10
])("--describe prints the number of parameters of %s", async ([model, parameters]) => {
  const { stdout } = await runInProcess(["train", "--model", defined(model), "--describe"]);
  expect(stdout).toContain(parameters);
});
