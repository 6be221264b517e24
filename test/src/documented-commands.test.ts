/**
 * Runs the README's commands: those for one machine with a tiny model and few steps, those for several machines with
 * AlexNet on real CIFAR-10. distributed.test.ts runs `pnpm verify`; the dashboard and the playground have their own tests.
 * documentation.test.ts parses the commands of all other pages, which are these with other options, or need a GPU, a
 * second machine or hours.
 */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readMetrics } from "@lockstep/run";
import { defined } from "@lockstep/testing";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandsIn, readPage } from "./testing/documented.ts";
import { canCreateNetworkPair, createNetworkPair, type NetworkPair } from "./testing/network-pair.ts";
import { launch, tinyModel } from "./testing/program.ts";

const cifar10 = process.env["LOCKSTEP_TEST_CIFAR10"];
const { scripts } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

describe("the README's commands for one machine, on a tiny model", () => {
  let dir: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "lockstep-readme-"));
    await sharp(readFileSync(new URL("../../docs/images/cifar10-loss.svg", import.meta.url)))
      .jpeg()
      .toFile(join(dir, "photo.jpg"));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const expectedOutput: Record<string, string> = { evaluate: "[Test ]", predict: "photo.jpg", export: ".pth" };
  const documented = commandsIn(readPage("README.md")).filter(
    ([name, ...options]) => defined(name) in expectedOutput || (name === "train" && !options.includes("--help")),
  );
  let runs = 0;

  /** Returns the command with the paths and sizes of this test appended. Later commands use the runs of earlier ones. */
  function small([name, ...options]: string[]): string[] {
    const resumes = options.includes("--resume");
    if (name === "train" && !resumes) runs += 1;
    const run = join(dir, `run-${runs}`);
    const places: Record<string, string> = {
      DIR: run,
      "./my-model.ts": tinyModel,
      "photo.jpg": join(dir, "photo.jpg"),
    };
    const words = options.map((word) => (word.startsWith("runs/") ? run : (places[word] ?? word)));
    const model = ["--model", tinyModel, "--dataset", "shapes", "--batch-size", "16", "--no-test", "--out", run];
    const steps = ["--max-steps", resumes ? "6" : "4"];
    return [defined(name), ...words, ...(name === "train" ? [...(resumes ? [] : model), ...steps] : [])];
  }

  test.each(documented.map((words) => [words.join(" "), words] as const))("pnpm %s", async (_, words) => {
    const [name, ...options] = small(words);
    const { status, stdout, stderr } = await launch(["sh", "-c", `exec ${scripts[defined(name)]} ${options.join(" ")}`])
      .finished;
    expect(status, stderr).toBe(0);
    expect(stdout).toContain(expectedOutput[defined(name)] ?? "[Epoch   1]");
  });
});

describe("the README's commands without changes", () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "lockstep-readme-"));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  test("pnpm quickstart trains AlexNet on shapes with a dashboard, and Ctrl-C saves the run", async () => {
    const quickstart = launch(["sh", "-c", `exec ${scripts.quickstart} --out ${join(dir, "run")}`]);
    await quickstart.prints(/step +\d+\/150 {2}loss/);
    quickstart.child.kill("SIGINT");
    const { status, stdout } = await quickstart.finished;
    expect(status).toBe(130);
    expect(stdout).toMatch(/^dashboard: http:\/\/127/m);
    expect(stdout).toMatch(/^model: {2}AlexNet_CIFAR10, 36,113,290 parameters/m);
    expect(stdout).toContain("continue with: pnpm train --resume");
  });

  test("pnpm run doctor reports whether this machine can train", async () => {
    const { status, stdout } = await launch(["sh", "-c", `exec ${scripts.doctor}`]).finished;
    expect(stdout).toContain("This machine can train.");
    expect(status).toBe(0);
  });
});

describe.runIf(cifar10 !== undefined && canCreateNetworkPair())(
  "pnpm coordinator --workers 2, and pnpm worker twice",
  () => {
    let dir: string;
    let network: NetworkPair; // a separate network, so that workers discover no other coordinator
    beforeAll(() => {
      dir = mkdtempSync(join(tmpdir(), "lockstep-documented-"));
      network = createNetworkPair();
    });
    afterAll(() => {
      network.remove();
      rmSync(dir, { recursive: true });
    });

    test("train AlexNet for 8 steps, and write a complete run folder", async () => {
      const out = join(dir, "run");
      const pnpm = (command: "coordinator" | "worker", options = "") =>
        launch([...network.one, "sh", "-c", `exec ${scripts[command]} ${options}`]);
      const options = `--data-dir ${cifar10} --batch-size 64 --max-steps 8 --train-fraction 0.99 --no-test`;
      const coordinator = pnpm("coordinator", `--workers 2 ${options} --balance even --out ${out}`);
      await coordinator.prints("pnpm worker");
      const workers = [pnpm("worker", "--threads 1 --name a"), pnpm("worker", "--threads 1 --name b")];
      const { status, stdout, stderr } = await coordinator.finished;
      expect([status, stderr]).toEqual([0, ""]);
      for (const { finished } of workers) expect((await finished).status).toBe(0);

      const rows = readMetrics(join(out, "metrics.jsonl"));
      const steps = rows.filter((row) => row.type === "step");
      expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 8 }, (_, step) => step));
      for (const { samples, slices, workers, ms } of steps) {
        expect([samples, slices]).toEqual([64, 2]);
        expect(
          defined(workers)
            .map(({ name }) => name)
            .sort(),
        ).toEqual(["a", "b"]);
        for (const worker of defined(workers)) {
          expect(worker.samples).toBe(32);
          expect(worker.bytesUp).toBeLessThan(13e6);
          expect(Object.keys(worker.io).sort()).toEqual(["encode", "receive", "send"]);
          const segmentsMs = Object.values(worker.ms).reduce((total, part) => total + part, 0);
          expect(Math.abs(segmentsMs / ms.step - 1)).toBeLessThan(0.05);
        }
      }
      expect(rows.at(-1)).toMatchObject({ type: "epoch", step: 8, samples: 512 });
      expect(stdout).toMatch(
        /mean traffic per worker and step: 1[0-2]\.\d MB sent, .* a dense fp32 gradient has 144\.5 MB/,
      );
      expect(readdirSync(out).sort()).toEqual(
        [
          "AlexNet_CIFAR10.safetensors",
          "charts",
          "checkpoints",
          "config.json",
          "events",
          "events.jsonl",
          "metrics.jsonl",
          "tfjs",
          "trace.json",
        ].sort(),
      );
      expect(existsSync(join(out, "checkpoints", "step-00000008.safetensors"))).toBe(true);
    }, 300_000);
  },
);
