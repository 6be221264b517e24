/** Tests commands that are refused and runs that fail: the message, the status, and what is left. */
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { test } from "@lockstep/testing";
import { expect } from "vitest";
import { type Finished, run } from "./testing/program.ts";
import { runInProcess } from "./testing/run-in-process.ts";
import { tinyTraining } from "./testing/tiny-training.ts";
import { stepsOf } from "./testing/undisturbed.ts";

/** Asserts that a command was refused with a message, and without a stack trace. */
function assertRefused({ status, stderr }: Finished, message: string): void {
  expect(stderr).toContain(message);
  expect(stderr).not.toContain("    at ");
  expect(status).toBe(1);
}

test.for<[args: string[], message: string]>([
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
  [["evaluate"], "ERR_OPTION: Required option '--run <dir>' not specified. Add --help to list the options."],
  [["predict", "--run", "/nowhere", "x.png"], "ERR_NO_RUN"],
])("pnpm %j is refused with the reason", async ([args, message]) => {
  assertRefused(await runInProcess(args), message);
});

test("the program refuses an unknown option with the reason", async () => {
  assertRefused(await run(["train", "--learning-rate", "1"]), "ERR_OPTION: Unknown option '--learning-rate'.");
});

test("the program refuses a folder without the data set before it downloads and starts the engine", async () => {
  const finished = await run(["train", "--data-dir", "/nowhere"]);
  assertRefused(finished, "/nowhere");
  expect(finished.stderr).toContain("ERR_DATA_FILE");
  expect(finished.stdout).toBe("");
});

test.for<[command: string, options: string[], run: (args: string[]) => Promise<Finished>]>([
  ["train", [], runInProcess],
  ["train", ["--workers", "2"], runInProcess],
  ["coordinator", [], run],
])("a port in use ends pnpm %s %j at once, and no folder is created", async ([command, options, run], { folder }) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const out = join(folder, "run");
  const listenOptions = ["--port", String(port), "--out", out];
  const { status, stderr } = await run([command, ...tinyTraining.slice(1), ...options, ...listenOptions]);
  other.close();
  expect(stderr).toContain(`ERR_LISTEN: Cannot listen on 127.0.0.1:${port}`);
  expect(status).toBe(1);
  expect(existsSync(out)).toBe(false);
});

test("a model that cannot be trained is refused before the run folder is created", async ({ folder }) => {
  const conv = "tf.layers.conv2d({ name: 'c', filters: 4, kernelSize: 3, dilationRate: 2, inputShape })";
  const layers = `${conv}, tf.layers.globalAveragePooling2d({}), tf.layers.dense({ units: numClasses })`;
  const [model, out] = [join(folder, "dilated.mjs"), join(folder, "run")];
  const body = `tf.sequential({ name: "Dilated", layers: [${layers}] })`;
  writeFileSync(model, `export default ({ tf, inputShape, numClasses }) => ${body};`);
  const { status, stderr } = await runInProcess(["train", "--model", model, "--dataset", "shapes", "--out", out]);
  expect(stderr).toMatch(
    /^ERR_MODEL_REFUSED: Layer c \(Conv2D\) cannot be trained here: .*; set its dilationRate to 1\.$/m,
  );
  expect(status).toBe(1);
  expect(existsSync(out)).toBe(false);
});

test("a loss that is not finite stops the run at that step, and the error names the remedy", async ({ folder }) => {
  const out = join(folder, "run");
  const options = ["--no-dashboard", "--lr", "1e30", "--checkpoint-every", "1", "--max-steps", "20", "--out", out];
  const { status, stderr } = await runInProcess([...tinyTraining, ...options]);
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /ERR_LOSS_NOT_FINITE: The loss of step \d+ is (NaN|Infinity|-Infinity) at learning rate 1e\+30; its update was not applied\. No good checkpoint exists\./,
  );
  expect(stepsOf(out).every(({ loss }) => Number.isFinite(loss))).toBe(true);
});
