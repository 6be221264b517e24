/** The README's commands for several machines, as they stand there, with AlexNet on real CIFAR-10. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readMetrics } from "@lockstep/run";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch } from "./program.ts";
import { canMakeMachines, makeTwoMachines, type TwoMachines } from "./two-machines.ts";

const cifar10 = process.env["LOCKSTEP_TEST_CIFAR10"];
const { scripts } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

describe.runIf(cifar10 !== undefined && canMakeMachines())(
  "pnpm coordinator --workers 2, and pnpm worker twice",
  () => {
    let dir: string;
    let machines: TwoMachines; // of its own network, so that workers find this coordinator and no other
    beforeAll(() => {
      dir = mkdtempSync(join(tmpdir(), "lockstep-documented-"));
      machines = makeTwoMachines();
    });
    afterAll(() => {
      machines.remove();
      rmSync(dir, { recursive: true });
    });

    test("train AlexNet for 20 steps, and leave the whole folder of a run", async () => {
      const out = join(dir, "run");
      const pnpm = (command: "coordinator" | "worker", options = "") =>
        launch([...machines.one, "sh", "-c", `exec ${scripts[command]} ${options}`]);
      const options = `--data-dir ${cifar10} --batch-size 64 --max-steps 20 --train-fraction 0.99 --no-test`;
      const coordinator = pnpm("coordinator", `--workers 2 ${options} --balance even --out ${out}`);
      await coordinator.prints("pnpm worker");
      const workers = [pnpm("worker", "--threads 1 --name a"), pnpm("worker", "--threads 1 --name b")];
      const { status, stdout, stderr } = await coordinator.finished;
      expect([status, stderr]).toEqual([0, ""]);
      for (const { finished } of workers) expect((await finished).status).toBe(0);

      const rows = readMetrics(join(out, "metrics.jsonl"));
      const steps = rows.filter((row) => row.type === "step");
      expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, step) => step));
      for (const { samples, slices, workers, ms } of steps) {
        expect([samples, slices]).toEqual([64, 2]);
        expect(workers!.map(({ name }) => name).sort()).toEqual(["a", "b"]);
        for (const worker of workers!) {
          expect(worker.samples).toBe(32);
          expect(worker.bytesUp).toBeLessThan(13e6);
          expect(Object.keys(worker.io).sort()).toEqual(["encode", "receive", "send"]);
          const parts = Object.values(worker.ms).reduce((total, part) => total + part, 0);
          expect(Math.abs(parts / ms.step - 1)).toBeLessThan(0.05);
        }
      }
      expect(rows.at(-1)).toMatchObject({ type: "epoch", step: 20, samples: 1280 });
      expect(stdout).toMatch(/sent by a worker in a step: 1[0-2]\.\d MB, .* a dense fp32 gradient has 144\.5 MB/);
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
        ].sort(),
      );
      expect(existsSync(join(out, "checkpoints", "step-00000020.safetensors"))).toBe(true);
    }, 300_000);
  },
);
