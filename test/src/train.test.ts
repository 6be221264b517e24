/** Tests `pnpm train` end to end, as a process. */
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { readSafetensors } from "@lockstep/formats";
import { openRunFolder, parseRunFile, readMetrics } from "@lockstep/run";
import { defined, mountSmallDisk } from "@lockstep/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run, start, tinyModel } from "./testing/program.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-train-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

const tiny = ["train", "--model", tinyModel, "--dataset", "shapes", "--batch-size", "256", "--lr", "0.05"];
const configOf = (out: string) => {
  const { folder, config } = openRunFolder(out);
  return parseRunFile(config, folder.config);
};
const steps = (out: string) => readMetrics(join(out, "metrics.jsonl")).filter((row) => row.type === "step");

test("a run is not resumed with a changed code model, and is with the original", async () => {
  const [out, model] = [join(dir, "code"), join(dir, "code-model.mjs")];
  const code = readFileSync(new URL("../fixtures/code-model.js", import.meta.url), "utf8");
  const change = `layers[1].setWeights([tf.zeros([3072, 16]), tf.zeros([16])]);
    model.compile({ optimizer: "adam", loss: "meanSquaredError" });
    return model;`;
  writeFileSync(model, code.replace("return tf", "const model = tf").replace(/}\s*$/, `${change} }`));
  const options = ["--dataset", "shapes", "--batch-size", "50", "--no-test"];
  const first = await run(["train", "--model", model, ...options, "--max-steps", "1", "--out", out]);
  expect(first.status).toBe(0);
  expect(first.stdout).toMatch(/^weights: 2 of 4 loaded or set by the model's module/m);
  expect(first.stdout).toMatch(/^compile: the optimizer Adam and the loss meanSquaredError are not used; .*SGD/m);
  writeFileSync(model, code.replace("relu", "tanh"));
  const changed = await run(["train", "--resume", out, "--max-steps", "2"]);
  expect(changed.stderr).toMatch(
    /^ERR_MODEL_CHANGED: .*code-model\.mjs is no longer the model that this run started with/,
  );
  writeFileSync(model, code); // the layers are the same, and the weights are from the checkpoint
  expect((await run(["train", "--resume", out, "--max-steps", "2"])).status).toBe(0);
});

/** Writes a module that makes a sequential model of `layers`, which may use the layers in `shared` several times. */
function modelFile(name: string, layers: string, shared = ""): string {
  const path = join(dir, `${name}.mjs`);
  const body = `const l = tf.layers; ${shared} return tf.sequential({ name: "${name}", layers: [${layers}] });`;
  writeFileSync(path, `export default ({ tf, inputShape, numClasses }) => { ${body} }`);
  return path;
}

test("a run with shared layers trains, and writes all its files", async () => {
  const dense = "drop, relu, l.dense({ units: 16 }), drop, relu, l.dense({ units: numClasses }), drop";
  const layers = `l.averagePooling2d({ poolSize: 4, inputShape }), l.flatten(), ${dense}`;
  const model = modelFile("Shared", layers, "const [relu, drop] = [l.reLU(), l.dropout({ rate: 0.1 })];");
  const out = join(dir, "shared");
  const { status, stderr } = await run([
    "train",
    "--model",
    model,
    "--max-steps",
    "2",
    "--no-test",
    "--dataset",
    "shapes",
    "--out",
    out,
  ]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  const [first] = steps(out);
  expect(defined(first).loss, "about ln 10, that of guessing").toBeCloseTo(2.3, 0);
  const { tensors } = readSafetensors(join(out, "Shared.safetensors"));
  expect([...tensors].map(([name, { shape }]) => `${name} ${shape.join("×")}`)).toEqual([
    ...["dense_4.weight 16×192", "dense_4.bias 16", "dense_7.weight 10×16", "dense_7.bias 10"],
  ]);
  expect(existsSync(join(out, "tfjs", "model.json"))).toBe(true);
});

test("a model that cannot be trained is refused before the run folder is created", async () => {
  const conv = "l.conv2d({ name: 'c', filters: 4, kernelSize: 3, dilationRate: 2, inputShape })";
  const model = modelFile("Dilated", `${conv}, l.globalAveragePooling2d({}), l.dense({ units: numClasses })`);
  const out = join(dir, "dilated");
  const { status, stderr } = await run(["train", "--model", model, "--dataset", "shapes", "--out", out]);
  expect(stderr).toMatch(
    /^ERR_MODEL_REFUSED: Layer c \(Conv2D\) cannot be trained here: .*; set its dilationRate to 1\.$/m,
  );
  expect(status).toBe(1);
  expect(existsSync(out)).toBe(false);
});

test("of two runs that start in one folder at the same time one trains, and the other names its process", async () => {
  const out = join(dir, "contested");
  const both = [1, 2].map(() => start([...tiny, "--no-dashboard", "--num-epochs", "1000", "--out", out]));
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
  const rows = steps(out).map(({ step }) => step);
  expect(rows).toEqual(rows.map((_, i) => i));
  expect(existsSync(join(out, "run.pid"))).toBe(false);
});

describe("a complete run", () => {
  let out: string;
  let stdout: string;
  beforeAll(async () => {
    out = join(dir, "whole");
    const finished = await run([...tiny, "--num-epochs", "2", "--out", out]);
    expect(finished.stderr).toBe("");
    expect(finished.status).toBe(0);
    stdout = finished.stdout;
  });

  test("prints a line for each epoch and one for the test", () => {
    const number = String.raw`\d+\.\d{3}`;
    const epoch = `train_loss: ${number} train_acc: ${number}% eval_loss: ${number} eval_acc: ${number}%`;
    const lines = stdout.split("\n").filter((line) => line.startsWith("[")); // a slow machine prints progress in between
    expect(lines.join("\n")).toMatch(
      new RegExp(
        String.raw`^\[Epoch   1\] ${epoch}\n\[Epoch   2\] ${epoch}\n\[Test \] loss: ${number} acc: ${number}%$`,
      ),
    );
  });

  test("prints the next steps at its end", () => {
    expect(stdout.trimEnd().split("\n").at(-1)).toBe(
      `next:    pnpm evaluate --run ${out}, pnpm predict --run ${out} PICTURE, pnpm train --help`,
    );
  });

  test("writes all files of a run folder", () => {
    const charts = ["loss", "accuracy", "confusion"].flatMap((name) => [`charts/${name}.svg`, `charts/${name}.png`]);
    for (const file of [
      "config.json",
      "metrics.jsonl",
      "report.json",
      "Tiny.safetensors",
      "tfjs/model.json",
      ...charts,
    ]) {
      expect(existsSync(join(out, file)), file).toBe(true);
    }
    expect(readdirSync(join(out, "checkpoints"))).toEqual([
      "best.safetensors",
      "step-00000032.safetensors",
      "step-00000064.safetensors",
    ]);
    expect(readdirSync(join(out, "events")).length).toBe(1);
  });

  test("has a row for each step, including the smaller last batch", () => {
    // 8,000 of 10,000 samples train: 31 batches of 256 and one of 64.
    const rows = steps(out);
    expect(rows.map(({ step }) => step)).toEqual(Array.from({ length: 64 }, (_, step) => step));
    expect(rows.map(({ samples }) => samples)).toEqual([...Array(31).fill(256), 64, ...Array(31).fill(256), 64]);
    expect(rows.map(({ epoch }) => epoch)).toEqual([...Array(32).fill(1), ...Array(32).fill(2)]);
    for (const { ms } of rows) {
      expect(Object.keys(ms)).toEqual(expect.arrayContaining(["step", "data", "forward", "backward"]));
      const { step, ...segments } = ms;
      expect(Object.values(segments).reduce((sum, part) => sum + part, 0) / step).toBeGreaterThan(0.95);
    }
  });

  test("weights the epoch's means by samples, not by batches", () => {
    const rows = steps(out).slice(0, 32);
    const epoch = defined(readMetrics(join(out, "metrics.jsonl")).find((row) => row.type === "epoch"));
    const samples = rows.reduce((sum, row) => sum + row.samples, 0);
    expect(samples).toBe(8000);
    expect(epoch.trainLoss).toBeCloseTo(rows.reduce((sum, row) => sum + row.loss * row.samples, 0) / samples, 10);
    expect(epoch.trainAccuracy).toBe(rows.reduce((sum, row) => sum + row.correct, 0) / samples);
  });

  test("pnpm evaluate reproduces the accuracy of the report", async () => {
    const { accuracy, loss } = JSON.parse(readFileSync(join(out, "report.json"), "utf8"));
    const { stdout } = await run(["evaluate", "--run", out]);
    expect(stdout.split("\n")[0]).toBe(`[Test ] loss: ${loss.toFixed(3)} acc: ${(100 * accuracy).toFixed(3)}%`);
  });

  test("a second run in the same --out is refused", async () => {
    const { status, stderr } = await run([...tiny, "--out", out]);
    expect(status).toBe(1);
    expect(stderr).toContain(`ERR_RUN_EXISTS: Expected --out to be a new folder, but ${out} holds a run.`);
  });
});

describe("a run that stops and continues", () => {
  const settings = ["--max-steps", "40", "--no-test", "--augment", "flip-crop", "--checkpoint-every", "7"];

  test("has the losses and weights of an uninterrupted run, and each step once", async () => {
    const straight = join(dir, "straight");
    expect((await run([...tiny, ...settings, "--out", straight])).status).toBe(0);

    const stopped = join(dir, "stopped");
    expect((await run([...tiny, ...settings, "--max-steps", "10", "--out", stopped])).status).toBe(0);
    const { runId } = configOf(stopped).derived;
    const interrupted = start(["train", "--resume", stopped, "--max-steps", "40"]);
    await interrupted.prints("steps:");
    interrupted.child.kill("SIGINT");
    const { status, stdout } = await interrupted.finished;
    expect(status, stdout).toBe(130);
    expect(stdout).toContain(`continue with: pnpm train --resume ${stopped}`);
    expect((await run(["train", "--resume", stopped, "--max-steps", "40"])).status).toBe(0);

    expect(configOf(stopped).derived.runId).toBe(runId);
    expect(configOf(straight).derived.runId).not.toBe(runId);
    const losses = (out: string) => steps(out).map(({ step, loss }) => [step, loss]);
    expect(losses(stopped)).toEqual(losses(straight));
    const epochs = (out: string) => readMetrics(join(out, "metrics.jsonl")).filter((row) => row.type === "epoch");
    expect(epochs(stopped)).toEqual(epochs(straight));
    const weights = (out: string) => readSafetensors(join(out, "Tiny.safetensors")).tensors;
    expect(weights(stopped)).toEqual(weights(straight));
  });

  test("an interrupt is handled between long steps", async () => {
    const out = join(dir, "interrupted");
    const options = ["--dataset", "shapes", "--max-steps", "100", "--train-fraction", "1", "--no-test"];
    const training = start(["train", ...options, "--out", out]); // AlexNet: a step takes much longer than its batch
    await training.prints("step   2/100");
    training.child.kill("SIGINT");
    const { status, stdout } = await training.finished;
    expect(status, stdout).toBe(130);
    expect(steps(out).length).toBeLessThan(50);
  });

  test("kill -9 loses only the steps since the last checkpoint", async () => {
    const out = join(dir, "killed");
    const killed = start([...tiny, ...settings, "--max-steps", "1000", "--num-epochs", "50", "--out", out]);
    await killed.prints("[Epoch   1]");
    killed.child.kill("SIGKILL");
    await killed.finished;
    const { stderr } = await run(["evaluate", "--run", out]);
    expect(stderr).toContain("this run is not finished: using the weights of its last checkpoint");
    await assertResumes(out);
  });

  test("a full disk (needs the right to mount one) ends it with the reason, and loses only the steps since the last checkpoint", async ({
    skip,
  }) => {
    const disk = mountSmallDisk(4_000_000) ?? skip("mounting is not allowed here");
    try {
      const out = join(disk.dir, "run");
      const running = start([...tiny, ...settings, "--max-steps", "1000", "--num-epochs", "50", "--out", out]);
      await running.prints("[Epoch   2]");
      disk.fill(0);
      const { status, stderr } = await running.finished;
      expect(status).toBe(1);
      expect(stderr).toMatch(/^ERR_DISK_FULL: Disk full: .*\/run\/.* needs .* Free some space \(.*--resume\).*\n$/);
      disk.clear();
      await assertResumes(out);
    } finally {
      disk.unmount();
    }
  });

  /** Resumes the run, and asserts that it has each step once from the last checkpoint on. */
  async function assertResumes(out: string): Promise<void> {
    const last = Math.max(...steps(out).map(({ step }) => step));
    const { status, stderr } = await run(["train", "--resume", out, "--max-steps", String(last + 20)]);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(steps(out).map(({ step }) => step)).toEqual(Array.from({ length: last + 20 }, (_, step) => step));
  }
});

test("a loss that is not finite stops the run at that step, and the error names the remedy", async () => {
  const out = join(dir, "nan");
  const { status, stderr } = await run([
    ...tiny,
    "--lr",
    "1e30",
    "--checkpoint-every",
    "1",
    "--max-steps",
    "20",
    "--out",
    out,
  ]);
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /ERR_LOSS_NOT_FINITE: The loss of step \d+ is (NaN|Infinity|-Infinity) at learning rate 1e\+30; its update was not applied\. No good checkpoint exists\./,
  );
  expect(steps(out).every(({ loss }) => Number.isFinite(loss))).toBe(true);
});

test("without a validation split there are no eval columns", async () => {
  const { stdout } = await run([
    ...tiny,
    "--train-fraction",
    "1",
    "--max-steps",
    "3",
    "--no-test",
    "--out",
    join(dir, "all"),
  ]);
  expect(stdout).toMatch(/\[Epoch {3}1\] train_loss: \d+\.\d{3} train_acc: \d+\.\d{3}%\n/);
  expect(stdout).not.toContain("eval_");
});

test("--max-rows computes the same result in smaller batches", async () => {
  const once = join(dir, "once");
  const chunked = join(dir, "parts");
  await run([...tiny, "--max-steps", "5", "--no-test", "--out", once]);
  await run([...tiny, "--max-steps", "5", "--no-test", "--max-rows", "100", "--out", chunked]);
  for (const [index, { loss }] of steps(chunked).entries())
    expect(loss).toBeCloseTo(defined(steps(once)[index]).loss, 5);
});

describe("invalid input", () => {
  test.each([
    [["train", "--lr", "-1"], "ERR_OPTION: Expected --lr to be a number above 0, got -1; for example --lr 0.01.\n"],
    [
      ["train", "--batch_size", "0"],
      "ERR_OPTION: Expected --batch-size to be a whole number of at least 1, got 0; for example --batch-size 32.\n",
    ],
    [["train", "--resume", "/nowhere"], "ERR_NO_RUN: Expected the folder of a run at /nowhere, but it does not exist."],
    [
      ["train", "--model", "vgg"],
      'ERR_MODEL_NAME: Expected --model to be alexnet or alexnet-cifar10, or the path of a module such as ./vgg.ts, got "vgg".',
    ],
    [
      ["train", "--dataset", "shapes", "--num-classes", "5"],
      "ERR_MODEL_DATA: Expected a model with 10 outputs, as shapes has, but alexnet-cifar10 has 5. Pass --num-classes 10, or change the model.",
    ],
    [["train", "--data-dir", "/nowhere"], "/nowhere"],
    [["evaluate"], "ERR_OPTION: Required option '--run <dir>' not specified. Add --help to list the options."],
    [["predict", "--run", "/nowhere", "x.png"], "ERR_NO_RUN"],
    [["train", "--learning-rate", "1"], "ERR_OPTION: Unknown option '--learning-rate'."],
  ])("%j is refused with the reason", async (args, message) => {
    const { status, stderr } = await run(args);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain("    at ");
    expect(status).toBe(1);
  });
});

test.each([
  ["train", []],
  ["train", ["--workers", "2"]],
  ["coordinator", []],
])("a port in use ends %s %j at once, and no folder is created", async (command, options) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const out = join(dir, "taken");
  const listenOptions = ["--port", String(port), "--out", out];
  const { status, stderr } = await run([command, ...tiny.slice(1), ...options, ...listenOptions]);
  other.close();
  expect(stderr).toContain(`ERR_LISTEN: Cannot listen on 127.0.0.1:${port}`);
  expect(status).toBe(1);
  expect(existsSync(out)).toBe(false);
});

test("a folder without the data set is reported before the engine is downloaded and started", async () => {
  const { stdout, stderr } = await run(["train", "--data-dir", "/nowhere"]);
  expect(stderr).toContain("ERR_DATA_FILE");
  expect(stdout).toBe("");
});

test("--describe prints the shape table of AlexNet", async () => {
  const { stdout } = await run(["train", "--model", "alexnet", "--describe"]);
  expect(stdout).toContain("62,378,344");
  expect((await run(["train", "--describe"])).stdout).toContain("36,113,290");
});
