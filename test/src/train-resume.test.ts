/** Tests runs that are stopped, killed or disturbed, and continue. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { readSafetensors } from "@lockstep/formats";
import { openRunFolder, parseRunFile, readMetrics } from "@lockstep/run";
import { defined, mountSmallDisk, test } from "@lockstep/testing";
import { expect, vi } from "vitest";
import { assertSucceeded } from "./testing/assert-succeeded.ts";
import { run, start } from "./testing/program.ts";
import { runInProcess } from "./testing/run-in-process.ts";
import { tinyTraining } from "./testing/tiny-training.ts";
import { stepsOf } from "./testing/undisturbed.ts";

const settings = ["--no-dashboard", "--no-test", "--augment", "flip-crop", "--checkpoint-every", "7"];
const endless = [
  ...settings,
  "--batch-size",
  "64",
  "--train-fraction",
  "1",
  "--max-steps",
  "1000",
  "--num-epochs",
  "50",
];

/** Resolves when a training in another process has made this many steps. */
const makesSteps = (out: string, steps: number) =>
  vi.waitUntil(() => stepsOf(out).length >= steps, { interval: 20, timeout: 100_000 });

/** Runs a command in this process, and asserts that it succeeds. */
async function succeed(args: readonly string[]): Promise<void> {
  assertSucceeded(await runInProcess(args));
}

/** Returns what two equal trainings have in common. */
function outcomeOf(out: string) {
  const epochs = readMetrics(join(out, "metrics.jsonl")).filter((row) => row.type === "epoch");
  const { tensors } = readSafetensors(join(out, "Tiny.safetensors"));
  return { losses: stepsOf(out).map(({ step, loss }) => [step, loss]), epochs, tensors };
}

function runIdOf(out: string) {
  const { folder, config } = openRunFolder(out);
  return parseRunFile(config, folder.config).derived.runId;
}

test("a run that stops twice has the losses, epochs and weights of an uninterrupted run, and keeps its id", async ({
  folder,
}) => {
  const [straight, stopped] = [join(folder, "straight"), join(folder, "stopped")];
  await succeed([...tinyTraining, ...settings, "--max-steps", "34", "--out", straight]);
  await succeed([...tinyTraining, ...settings, "--max-steps", "5", "--out", stopped]);
  const runId = runIdOf(stopped);
  const resume = ["train", "--no-dashboard", "--resume", stopped, "--max-steps", "34"];
  const interrupted = start(resume);
  await interrupted.prints("steps:");
  interrupted.child.kill("SIGINT");
  const { status, stdout } = await interrupted.finished;
  expect(status, stdout).toBe(130);
  expect(stdout).toContain(`continue with: pnpm train --resume ${stopped}`);
  await succeed(resume);
  expect(outcomeOf(stopped)).toEqual(outcomeOf(straight));
  expect(runIdOf(stopped)).toBe(runId);
  expect(runIdOf(straight)).not.toBe(runId);
});

test("a run that is killed with kill -9 loses only the steps since its last checkpoint", async ({ folder }) => {
  const out = join(folder, "run");
  const killed = start([...tinyTraining, ...endless, "--out", out]);
  await makesSteps(out, 20);
  killed.child.kill("SIGKILL");
  await killed.finished;
  const { stderr } = await runInProcess(["evaluate", "--run", out]);
  expect(stderr).toContain("this run is not finished: using the weights of its last checkpoint");
  await assertResumes(out);
});

test("a run whose disk becomes full (needs the right to mount one) ends with the reason, and loses only the steps since its last checkpoint", async ({
  skip,
  onTestFinished,
}) => {
  const disk = mountSmallDisk(4_000_000) ?? skip("mounting is not allowed here");
  onTestFinished(disk.unmount);
  const out = join(disk.dir, "run");
  const running = start([...tinyTraining, ...endless, "--out", out]);
  await makesSteps(out, 20);
  disk.fill(0);
  const { status, stderr } = await running.finished;
  expect(status).toBe(1);
  expect(stderr).toMatch(/^ERR_DISK_FULL: Disk full: .*\/run\/.* needs .* Free some space \(.*--resume\).*\n$/);
  disk.clear();
  await assertResumes(out);
});

/** Resumes the run, and asserts that it has each step once from the last checkpoint on. */
async function assertResumes(out: string): Promise<void> {
  const last = Math.max(...stepsOf(out).map(({ step }) => step));
  await succeed(["train", "--no-dashboard", "--resume", out, "--max-steps", String(last + 5)]);
  expect(stepsOf(out).map(({ step }) => step)).toEqual(Array.from({ length: last + 5 }, (_, step) => step));
}

test("of two runs that start in one folder at the same time one trains, and the other names its process", async ({
  folder,
}) => {
  const out = join(folder, "run");
  const both = [1, 2].map(() => start([...tinyTraining, ...endless, "--out", out]));
  const [quick, refused] = await Promise.race(
    both.map(async ({ finished }, i) => [defined(both[1 - i]), await finished] as const),
  );
  quick.child.kill("SIGINT");
  const { pid } = quick.child;
  expect(refused.stderr).toMatch(
    RegExp(`^ERR_RUN_BUSY: Process ${pid} on ${hostname()} has been writing to ${out} for `),
  );
  expect(refused.status).toBe(1);
  expect((await quick.finished).status).toBe(130);
  const rows = stepsOf(out).map(({ step }) => step);
  expect(rows).toEqual(rows.map((_, i) => i));
  expect(existsSync(join(out, "run.pid"))).toBe(false);
});

test("a run is not resumed with a changed code model, and is with the original", async ({ folder }) => {
  const [out, model] = [join(folder, "run"), join(folder, "code-model.mjs")];
  const code = readFileSync(new URL("../fixtures/code-model.js", import.meta.url), "utf8");
  const change = `layers[1].setWeights([tf.zeros([3072, 16]), tf.zeros([16])]);
    model.compile({ optimizer: "adam", loss: "meanSquaredError" });
    return model;`;
  writeFileSync(model, code.replace("return tf", "const model = tf").replace(/}\s*$/, `${change} }`));
  const options = [
    "--dataset",
    "shapes",
    "--batch-size",
    "50",
    "--train-fraction",
    "1",
    "--no-test",
    "--max-steps",
    "1",
  ];
  const first = await runInProcess(["train", "--model", model, ...options, "--out", out]);
  expect(first.status).toBe(0);
  expect(first.stdout).toMatch(/^weights: 2 of 4 loaded or set by the model's module/m);
  expect(first.stdout).toMatch(/^compile: the optimizer Adam and the loss meanSquaredError are not used; .*SGD/m);
  // Each resume is a process of its own, which reads the file anew.
  const resume = ["train", "--no-dashboard", "--resume", out, "--max-steps", "2"];
  writeFileSync(model, code.replace("relu", "tanh"));
  const changed = await run(resume);
  expect(changed.stderr).toMatch(
    /^ERR_MODEL_CHANGED: .*code-model\.mjs is no longer the model that this run started with/,
  );
  writeFileSync(model, code); // the layers are the same, and the weights are from the checkpoint
  expect((await run(resume)).status).toBe(0);
});
