/** Tests a coordinator and its workers as processes on loopback: their results equal those of one machine. */

import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { elementCount, readSafetensors, writeSafetensors } from "@lockstep/formats";
import { type ModelSpec, specStateDict } from "@lockstep/model/files";
import { uniforms } from "@lockstep/random";
import { readMetrics } from "@lockstep/run";
import { defined } from "@lockstep/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import tinySpec from "../fixtures/tiny-model.js";
import { type Finished, run, start, tinyModel, wideModel } from "./testing/program.ts";

const codeModel = fileURLToPath(new URL("../fixtures/code-model.js", import.meta.url));
const cifar10 = process.env["LOCKSTEP_TEST_CIFAR10"];
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-distributed-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

// The batch size is not divisible by any number of workers here. Dropout and augmentation are on.
const training = [
  "--model",
  tinyModel,
  "--dataset",
  "shapes",
  "--batch-size",
  "250",
  "--lr",
  "0.05",
  "--augment",
  "flip-crop",
];
const steps = (out: string) => readMetrics(join(out, "metrics.jsonl")).filter((row) => row.type === "step");

/** Runs a coordinator with `workers` worker processes until it ends. */
async function together(workers: number, options: string[], out: string): Promise<Finished[]> {
  const coordinator = start([
    "coordinator",
    "--workers",
    String(workers),
    "--balance",
    "even",
    ...training,
    ...options,
    "--out",
    out,
  ]);
  await coordinator.prints("pnpm worker --coordinator");
  const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
  const names = Array.from({ length: workers }, (_, i) => `worker-${i}`);
  const finished = names.map((name) => run(["worker", "--coordinator", url, "--threads", "1", "--name", name]));
  return [await coordinator.finished, ...(await Promise.all(finished))];
}

const alone = (options: string[], out: string) =>
  run(["train", ...training, ...options, "--threads", "1", "--out", out]);

describe("workers over sockets", () => {
  const fixed = ["--slice-rows", "60", "--max-steps", "20"];

  test("three workers with fixed slices give the bits of one: losses, weights, evaluation", async () => {
    const [one, three] = [join(dir, "one"), join(dir, "three")];
    expect((await alone(fixed, one)).status).toBe(0);
    for (const { status, stderr } of await together(3, fixed, three)) expect([status, stderr]).toEqual([0, ""]);

    expect(steps(three).map(({ loss }) => loss)).toEqual(steps(one).map(({ loss }) => loss));
    // Evaluations count the same samples; their losses are summed in other batches, so they may round differently.
    const rest = (out: string) => readMetrics(join(out, "metrics.jsonl")).filter((row) => row.type !== "step");
    for (const [index, row] of rest(three).entries()) {
      const same = defined(rest(one)[index]);
      if (row.type === "test" && same.type === "test")
        expect([row.accuracy, row.samples]).toEqual([same.accuracy, 2000]);
      else if (row.type === "epoch" && same.type === "epoch") {
        expect([row.trainLoss, row.evalAccuracy]).toEqual([same.trainLoss, same.evalAccuracy]);
        expect(row.evalLoss).toBeCloseTo(defined(same.evalLoss), 5);
      } else expect(row.type).toBe(same.type);
    }
    const weights = (out: string) => readFileSync(join(out, "Tiny.safetensors"));
    expect(weights(three).equals(weights(one))).toBe(true);
    for (const { workers, slices, samples } of steps(three)) {
      expect(slices).toBe(5);
      expect(defined(workers).reduce((sum, worker) => sum + worker.samples, 0)).toBe(samples);
    }
  });

  test("two workers with one slice each give the losses of one, up to rounding", async () => {
    const [one, two] = [join(dir, "free-one"), join(dir, "free-two")];
    expect((await alone(["--max-steps", "15", "--no-test"], one)).status).toBe(0);
    await together(2, ["--max-steps", "15", "--no-test"], two);
    expect(steps(two).length).toBe(15);
    for (const [index, { loss }] of steps(two).entries()) {
      expect(Math.abs(loss - defined(steps(one)[index]).loss)).toBeLessThan(1e-4 * Math.max(1, loss));
    }
  });

  test("dense and factored gradients give the same result, dense ones with more bytes; bf16 halves them", async () => {
    const outs = new Map<string, string>();
    for (const [name, options] of [
      ["dense", ["--sync", "dense"]],
      ["factored", ["--sync", "factored"]],
      ["bf16", ["--sync", "factored", "--wire", "bf16"]],
    ] as const) {
      outs.set(name, join(dir, name));
      await together(2, ["--max-steps", "6", "--no-test", ...options], join(dir, name));
    }
    const rows = (name: string) => steps(defined(outs.get(name)));
    for (const [index, { loss }] of rows("dense").entries())
      expect(loss).toBeCloseTo(defined(rows("factored")[index]).loss, 5);
    for (const [index, { loss }] of rows("bf16").entries())
      expect(loss).toBeCloseTo(defined(rows("factored")[index]).loss, 2);
    // Over both workers: each one's share of the samples, and with it of the factors, varies with its speed.
    const bytesUp = (name: string) =>
      defined(defined(rows(name)[3]).workers).reduce((total, worker) => total + worker.bytesUp, 0);
    expect(bytesUp("bf16") / bytesUp("factored")).toBeCloseTo(0.5, 1);
    expect(bytesUp("dense")).not.toBe(bytesUp("factored"));
  });

  test("a weights file with PyTorch's order of names starts the same run as on one machine", async () => {
    const [one, two, initFrom] = [join(dir, "from-one"), join(dir, "from-two"), join(dir, "sorted.safetensors")];
    const tensors = specStateDict(tinySpec as ModelSpec).map(({ name, torchShape }, index) => {
      const data = uniforms(index, "init", [0, 0, 0], elementCount(torchShape)).map((value) => value / 10);
      return { name, shape: torchShape, data };
    });
    await writeSafetensors(
      initFrom,
      tensors.sort((a, b) => (a.name < b.name ? -1 : 1)),
    );
    const options = ["--slice-rows", "60", "--max-steps", "3", "--no-test", "--init-from", initFrom];
    expect((await alone(options, one)).status).toBe(0);
    for (const { status, stderr } of await together(1, options, two)) expect([status, stderr]).toEqual([0, ""]);
    const weights = (out: string) => readFileSync(join(out, "Tiny.safetensors"));
    expect(weights(two).equals(weights(one))).toBe(true);
  });

  test("a stopped run continues from its checkpoint with the losses of an uninterrupted run", async () => {
    const out = join(dir, "stopped");
    await together(2, ["--slice-rows", "60", "--max-steps", "8", "--no-test"], out);
    const coordinator = start(["coordinator", "--resume", out, "--max-steps", "20"]);
    await coordinator.prints("pnpm worker --coordinator");
    const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
    await Promise.all([1, 2].map(() => run(["worker", "--coordinator", url, "--threads", "1"])));
    expect((await coordinator.finished).status).toBe(0);
    expect(steps(out).map(({ loss }) => loss)).toEqual(steps(join(dir, "one")).map(({ loss }) => loss));
  });
});

test("a run that continues with other numbers of workers ends with the bits of one worker, since a resume keeps the threads", async () => {
  const train = async (...options: string[]) => {
    const { status, stderr } = await run(["train", "--no-dashboard", ...options]);
    expect(status, stderr).toBe(0);
  };
  const [one, several] = [join(dir, "one-worker"), join(dir, "three-one-two")];
  const fresh = ["--slice-rows", "60", "--no-test"];
  await train(...training, ...fresh, "--threads", "1", "--max-steps", "9", "--out", one);
  await together(3, [...fresh, "--max-steps", "3"], several); // each has one thread
  await train("--resume", several, "--max-steps", "6");
  await train("--resume", several, "--max-steps", "9", "--workers", "2");
  const weights = (out: string) => readFileSync(join(out, "Tiny.safetensors"));
  expect(weights(several).equals(weights(one))).toBe(true);
});

describe("workers on unlike devices", () => {
  test("round differently: their drift is reported and corrected after each epoch", async () => {
    const out = join(dir, "unlike");
    const options = [...training, "--batch-size", "500", "--sync", "factored", "--num-epochs", "2", "--no-test"];
    const coordinator = start(["coordinator", "--workers", "2", "--balance", "even", ...options, "--out", out]);
    await coordinator.prints("pnpm worker --coordinator");
    const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
    const workers = ["native", "wasm"].map((backend) =>
      run(["worker", "--coordinator", url, "--threads", "1", "--name", backend, "--backend", backend]),
    );
    const { status, stdout, stderr } = await coordinator.finished;
    expect([status, stderr]).toEqual([0, ""]);
    for (const worker of workers) expect((await worker).status).toBe(0);
    const { derived } = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    expect(derived.devices.map(({ backend }: { backend: string }) => backend).sort()).toEqual(["native", "wasm"]);
    const drifts = [
      ...stdout.matchAll(/had drifted from \w+ by up to (\S+), because their devices round differently;/g),
    ];
    expect(drifts.length).toBe(2);
    for (const [, difference] of drifts) {
      expect(Number(difference)).toBeGreaterThan(0);
      expect(Number(difference)).toBeLessThan(1e-3);
    }
  });
});

describe("what workers receive", () => {
  test("a worker without the model spec receives it, and the run folder gets the model for browsers", async () => {
    const [out, file] = [join(dir, "travels"), join(dir, "net.mjs")];
    copyFileSync(tinyModel, file);
    const options = ["--model", file, "--dataset", "shapes", "--batch-size", "50", "--max-steps", "2", "--no-test"];
    const coordinator = start(["coordinator", "--workers", "2", ...options, "--out", out]);
    await coordinator.prints("pnpm worker --coordinator");
    rmSync(file);
    const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
    await Promise.all([1, 2].map(() => run(["worker", "--coordinator", url, "--threads", "1"])));
    const { status, stderr } = await coordinator.finished;
    expect([status, stderr]).toEqual([0, ""]);
    const { weightsManifest } = JSON.parse(readFileSync(join(out, "tfjs", "model.json"), "utf8"));
    expect(weightsManifest[0].weights.length).toBe(6);
    // conv1 8·27 + 8, fc1 512·32 + 32, fc2 32·10 + 10; 4 bytes each
    expect(statSync(join(out, "tfjs", "weights.bin")).size).toBe(4 * (224 + 16_416 + 330));
  });

  test("a worker without a copy of a code model is refused with that reason, and one with a copy trains", async () => {
    const options = [
      "--model",
      codeModel,
      "--dataset",
      "shapes",
      "--batch-size",
      "50",
      "--max-steps",
      "2",
      "--no-test",
    ];
    const coordinator = start(["coordinator", "--workers", "1", ...options, "--out", join(dir, "code")]);
    await coordinator.prints("pnpm worker --coordinator");
    const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
    const without = await run(["worker", "--coordinator", url, "--threads", "1"]);
    expect(without.stderr).toContain("ERR_MODEL_CODE");
    expect(without.status).toBe(1);
    const { status, stderr } = await run(["worker", "--coordinator", url, "--threads", "1", "--model", codeModel]);
    expect([status, stderr]).toEqual([0, ""]);
    expect((await coordinator.finished).status).toBe(0);
  });

  test("a worker whose code model differs in one activation is refused, at a resume too", async () => {
    const [out, other] = [join(dir, "other-code"), join(dir, "other-model.mjs")];
    writeFileSync(other, readFileSync(codeModel, "utf8").replace(', name: "fc2"', ', activation: "relu", name: "fc2"'));
    const options = ["--model", codeModel, "--dataset", "shapes", "--batch-size", "50", "--no-test"];
    const startPair = async (words: string[]) => {
      const coordinator = start(["coordinator", "--workers", "2", ...words]);
      await coordinator.prints("pnpm worker --coordinator");
      const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
      const worker = (model: string) => start(["worker", "--coordinator", url, "--threads", "1", "--model", model]);
      return { coordinator, worker };
    };
    const { coordinator, worker } = await startPair([...options, "--max-steps", "2", "--out", out]);
    const first = worker(codeModel);
    await first.prints("joined");
    const beside = await worker(other).finished;
    expect(beside.status).toBe(1);
    expect(beside.stderr).toMatch(
      /^ERR_FINGERPRINT: Its model\.config\.layers\.2\.config\.activation is "relu", but .* has "linear"/m,
    );
    worker(codeModel);
    expect((await coordinator.finished).status).toBe(0);

    const again = await startPair(["--resume", out, "--max-steps", "4"]);
    const changed = await again.worker(other).finished;
    expect(changed.status).toBe(1);
    expect(changed.stderr).toMatch(
      /^ERR_MODEL_CHANGED: This worker's model differs from the one that the run started with/m,
    );
    for (const _ of [1, 2]) again.worker(codeModel);
    expect((await again.coordinator.finished).status).toBe(0);
    expect(steps(out).length).toBe(4);
  });

  test("a worker whose model module sets other weights is refused, which the coordinator prints once", async () => {
    const module = (value: number) => {
      const path = join(dir, `set-to-${value}.mjs`);
      const change = `const [kernel] = layers[2].getWeights();
        layers[2].setWeights([tf.fill(kernel.shape, ${value}), tf.zeros([numClasses])]);
        model.compile({ optimizer: "adam", loss: "categoricalCrossentropy" });
        return model;`;
      const code = readFileSync(codeModel, "utf8").replace("return tf", "const model = tf");
      writeFileSync(path, code.replace(/}\s*$/, `${change} }`));
      return path;
    };
    const [mine, other] = [module(0.5), module(0.25)];
    const out = join(dir, "set");
    const options = ["--model", mine, "--dataset", "shapes", "--batch-size", "50", "--no-test", "--lr", "1e-9"];
    const coordinator = start(["coordinator", "--workers", "2", ...options, "--max-steps", "1", "--out", out]);
    await coordinator.prints("pnpm worker --coordinator");
    const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
    const worker = (model: string) => start(["worker", "--coordinator", url, "--threads", "1", "--model", model]);
    await worker(mine).prints("joined");
    const { status, stderr } = await worker(other).finished;
    expect(status).toBe(1);
    expect(stderr).toMatch(/^ERR_FINGERPRINT: The weights from its model's module or initializers are not those of /m);
    worker(mine);
    expect((await coordinator.finished).status).toBe(0);
    const lines = coordinator.stdout().split("\n");
    expect(lines.filter((line) => /^weights: 2 of 4 loaded or set by the model's module/.test(line)).length).toBe(1);
    expect(lines.filter((line) => /^compile: the optimizer Adam .* are not used/.test(line)).length).toBe(1);
    const { tensors } = readSafetensors(join(out, "Coded.safetensors"));
    const values = defined(tensors.get("fc2.weight")).data;
    expect(values.every((value) => Math.abs(value - 0.5) < 1e-6)).toBe(true);
  });

  test.skipIf(cifar10 === undefined)(
    "a worker without CIFAR-10 trains 20 steps on records from the coordinator",
    async () => {
      const options = [
        "--model",
        tinyModel,
        "--data-dir",
        defined(cifar10),
        "--batch-size",
        "50",
        "--max-steps",
        "20",
        "--no-test",
      ];
      const fixed = [...options, "--train-fraction", "0.999", "--slice-rows", "20"];
      const [one, two] = [join(dir, "cifar-one"), join(dir, "cifar-two")];
      expect((await run(["train", ...fixed, "--threads", "1", "--out", one])).status).toBe(0);
      const coordinator = start(["coordinator", "--workers", "2", ...fixed, "--out", two]);
      await coordinator.prints("pnpm worker --coordinator");
      const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
      const noFiles = { LOCKSTEP_DATA: join(dir, "no-files") };
      const workers = [1, 2].map(() => run(["worker", "--coordinator", url, "--threads", "1"], noFiles));
      for (const { status, stderr } of await Promise.all(workers)) expect([status, stderr]).toEqual([0, ""]);
      expect((await coordinator.finished).status).toBe(0);
      expect(steps(two).map(({ loss }) => loss)).toEqual(steps(one).map(({ loss }) => loss));
      expect(steps(two).length).toBe(20);
      const weights = (out: string) => readFileSync(join(out, "Tiny.safetensors"));
      expect(weights(two).equals(weights(one))).toBe(true);
      const caches = readdirSync(join(noFiles.LOCKSTEP_DATA, "cifar10", "records"));
      expect(caches.length).toBe(1);
    },
  );
});

describe("failures", () => {
  test("the coordinator names a missing data file, and ends", async () => {
    const dataDir = join(dir, "incomplete");
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, "data_batch_1.bin"), "");
    const { status, stderr } = await run(["coordinator", "--data-dir", dataDir, "--out", join(dir, "no-data")]);
    expect(stderr).toMatch(/^ERR_DATA_FILE: .*data_batch_1\.bin: expected 30,730,000 bytes, got 0 bytes/);
    expect(status).toBe(1);
  });

  test("weights that do not fit the model end coordinator and worker with the same reason", async () => {
    const initFrom = join(dir, "of-another.safetensors");
    await writeSafetensors(initFrom, [{ name: "fc1.weight", shape: [1], data: Float32Array.of(1) }]);
    const options = ["--model", codeModel, "--dataset", "shapes", "--init-from", initFrom];
    const coordinator = start(["coordinator", "--workers", "1", ...options, "--out", join(dir, "unfit")]);
    await coordinator.prints("pnpm worker --coordinator");
    const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
    const worker = run(["worker", "--coordinator", url, "--threads", "1", "--backend", "cpu", "--model", codeModel]);
    for (const { status, stderr } of [await coordinator.finished, await worker]) {
      expect(stderr).toMatch(/^ERR_STATE_DICT: The weights do not match the model:\s+fc1.weight has the shape \[1\]/m);
      expect(status).toBe(1);
    }
  });

  test("dense gradients that exceed the memory end the coordinator before the first step, with the options to change", async () => {
    const [out, words] = [join(dir, "wide"), ["--model", wideModel, "--dataset", "shapes", "--train-fraction", "1"]];
    const slices = ["--batch-size", "8192", "--slice-rows", "1", "--sync", "dense"];
    const coordinator = start(["coordinator", "--workers", "1", ...words, ...slices, "--out", out]);
    await coordinator.prints("pnpm worker --coordinator");
    const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
    const worker = run(["worker", "--coordinator", url, "--threads", "1", "--reconnect-ms", "0"]);
    const { status, stderr } = await coordinator.finished;
    expect(stderr).toMatch(/^ERR_SUMS: .* got 8192 slices of 27 MB of dense gradients; raise --slice-rows/);
    expect([status, steps(out)]).toEqual([1, []]);
    expect((await worker).stderr).toContain("ERR_DISCONNECTED");
  });

  test("a worker reports that no coordinator listens", async () => {
    const { status, stderr } = await run(["worker", "--coordinator", "ws://127.0.0.1:1"]);
    expect(stderr).toContain("ERR_CONNECT: No coordinator responds at ws://127.0.0.1:1");
    expect(status).toBe(1);
  });

  test("a port in use is an error if it was requested, otherwise the next one is used", async () => {
    const squatter = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => squatter.once("listening", resolve));
    const { port } = squatter.address() as { port: number };
    const { status, stderr } = await run([
      "coordinator",
      ...training,
      "--port",
      String(port),
      "--out",
      join(dir, "squat"),
    ]);
    expect(stderr).toContain(`ERR_LISTEN: Cannot listen on 127.0.0.1:${port}`);
    expect(status).toBe(1);
    squatter.close();
  });

  test("a run in which a worker is killed has the bits of an undisturbed run", async () => {
    const out = join(dir, "killed");
    const options = [...training, "--slice-rows", "60", "--max-steps", "20"];
    const coordinator = start(["coordinator", "--workers", "2", ...options, "--out", out]);
    await coordinator.prints("pnpm worker --coordinator");
    const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
    const workers = ["a", "b"].map((name) => start(["worker", "--coordinator", url, "--threads", "1", "--name", name]));
    await coordinator.prints(/^step/m);
    defined(workers[1]).child.kill("SIGKILL");
    const { status, stdout, stderr } = await coordinator.finished;
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("b was lost: its connection closed (1 connected)");
    expect((await defined(workers[0]).finished).status).toBe(0);
    expect(steps(out).map(({ loss }) => loss)).toEqual(steps(join(dir, "one")).map(({ loss }) => loss));
    const weights = (run: string) => readFileSync(join(run, "Tiny.safetensors"));
    expect(weights(out).equals(weights(join(dir, "one")))).toBe(true);
  });
});
