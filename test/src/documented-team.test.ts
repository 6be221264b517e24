/** Runs the README's commands for several machines, with AlexNet on real CIFAR-10. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { readMetrics, sum } from "@lockstep/run";
import { test as base, defined, temporaryFolder } from "@lockstep/testing";
import { expect, vi } from "vitest";
import { canCreateNetworkPair, createNetworkPair } from "./testing/network/network-pair.ts";
import { start } from "./testing/program.ts";
import { type StepRow, stepsOf } from "./testing/undisturbed.ts";

const cifar10 = process.env["LOCKSTEP_TEST_CIFAR10"];
const canRun = cifar10 !== undefined && canCreateNetworkPair();
const STEPS = 4;

const folderOfTeam = temporaryFolder();
/** `team` is the run of a coordinator and two workers that found it, in the folder `out`. */
const test = base
  .extend("out", { scope: "file" }, () => join(folderOfTeam, "run"))
  .extend("team", { scope: "file" }, async ({ out }, { onCleanup }) => {
    const network = createNetworkPair(); // a separate network, so that workers discover no other coordinator
    onCleanup(network.remove);
    const here = (...words: string[]) => start(words, {}, network.one);
    const data = ["--data-dir", defined(cifar10), "--batch-size", "64", "--train-fraction", "0.998", "--no-test"];
    const options = [...data, "--max-steps", String(STEPS), "--balance", "even", "--out", out];
    const coordinator = here("coordinator", "--workers", "2", ...options);
    await coordinator.prints("pnpm worker");
    const workers = ["a", "b"].map((name) => here("worker", "--threads", "1", "--name", name));
    const { stdout, stderr, status } = await coordinator.finished;
    const statuses = await Promise.all(workers.map(async ({ finished }) => (await finished).status));
    return { out, statuses: [status, ...statuses], stdout, stderr };
  });

/** Returns the figures of the workers in each step. */
const workersOf = ({ workers }: StepRow) => [...defined(workers)].sort((a, b) => a.name.localeCompare(b.name));

vi.setConfig({ testTimeout: 300_000 });

test.runIf(canRun)(
  "a coordinator and two workers that find it train AlexNet, and all end by themselves",
  ({ team }) => {
    expect(team.statuses).toEqual([0, 0, 0]);
    expect(team.stderr).toBe("");
  },
);

test.runIf(canRun)("each step of the team is split evenly between its workers", ({ team }) => {
  const shares = [
    { name: "a", samples: 32 },
    { name: "b", samples: 32 },
  ];
  expect(
    stepsOf(team.out).map((row) => {
      const workers = workersOf(row).map(({ name, samples }) => ({ name, samples }));
      return { step: row.step, samples: row.samples, slices: row.slices, workers };
    }),
  ).toEqual(Array.from({ length: STEPS }, (_, step) => ({ step, samples: 64, slices: 2, workers: shares })));
  expect(readMetrics(join(team.out, "metrics.jsonl")).at(-1)).toMatchObject({
    type: "epoch",
    step: STEPS,
    samples: 64 * STEPS,
  });
});

test.runIf(canRun)("a worker sends less than 13 MB in a step, and its segments cover the step", ({ team }) => {
  for (const row of stepsOf(team.out)) {
    for (const { bytesUp, io, ms } of workersOf(row)) {
      expect(bytesUp).toBeLessThan(13e6);
      expect(Object.keys(io).sort()).toEqual(["encode", "receive", "send"]);
      const segmentsMs = sum(Object.values(ms));
      expect(Math.abs(segmentsMs / row.ms.step - 1)).toBeLessThan(0.05);
    }
  }
  expect(team.stdout).toMatch(
    /mean traffic per worker and step: 1[0-2]\.\d MB sent, .* a dense fp32 gradient has 144\.5 MB/,
  );
});

test.runIf(canRun)("the team's run has a complete folder", ({ team }) => {
  const folders = ["charts", "checkpoints", "events", "tfjs"];
  const files = ["AlexNet_CIFAR10.safetensors", "config.json", "events.jsonl", "metrics.jsonl", "trace.json"];
  expect(readdirSync(team.out).sort()).toEqual([...folders, ...files].sort());
  expect(existsSync(join(team.out, "checkpoints", `step-0000000${STEPS}.safetensors`))).toBe(true);
});
