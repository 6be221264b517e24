/** Tests `trace.json` of real runs: on one machine, and with a worker whose clock is off. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readMetrics } from "@lockstep/run";
import { defined } from "@lockstep/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run, start, tinyModel } from "./testing/program.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-trace-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

const STEPS = 12;
const training = ["--model", tinyModel, "--dataset", "shapes", "--batch-size", "250", "--max-steps", String(STEPS)];
/** Command prefix of a clock that is a day ahead. */
const elsewhere = ["unshare", "--time", "--monotonic", "86400", "--fork"];
const canShiftClocks = spawnSync(defined(elsewhere[0]), [...elsewhere.slice(1), "true"]).status === 0;

interface Event {
  ph: "M" | "X";
  name: string;
  tid: number;
  ts: number;
  dur: number;
  args: Record<string, unknown>;
}

function readTrace(path: string) {
  const { traceEvents } = JSON.parse(readFileSync(path, "utf8")) as { traceEvents: Event[] };
  const names = traceEvents.filter(({ ph }) => ph === "M").map(({ args }) => args["name"]);
  return { names, events: traceEvents.filter(({ ph }) => ph === "X") };
}

const end = ({ ts, dur }: Event) => ts + dur;

test("the trace of a run on one machine has every step with its segments, and export writes the same", async () => {
  const out = join(dir, "alone");
  expect((await run(["train", ...training, "--no-test", "--out", out])).status).toBe(0);
  const { names, events } = readTrace(join(out, "trace.json"));
  expect(names).toEqual(["this machine"]);
  const steps = events.filter(({ name }) => name.startsWith("step "));
  expect(steps.map(({ name }) => name)).toEqual(Array.from({ length: STEPS }, (_, step) => `step ${step}`));
  for (const part of ["apply", "data", "forward", "backward"]) {
    const found = events.filter(({ name }) => name === part);
    expect(found.length, part).toBeGreaterThanOrEqual(STEPS - 1);
    for (const event of found) {
      expect(steps.some((step) => step.ts <= event.ts && end(event) <= end(step))).toBe(true);
    }
  }
  const { status, stdout } = await run(["export", "--run", out, "--to", "trace"]);
  expect([status, stdout]).toEqual([0, `${join(out, "export", "trace.json")}: open it at https://ui.perfetto.dev\n`]);
  expect(readTrace(join(out, "export", "trace.json"))).toEqual({ names, events });
});

test.runIf(canShiftClocks)(
  "of several workers has a row for each, also of one whose clock is a day ahead",
  async () => {
    const out = join(mkdtempSync(join(dir, "together-")), "run"); // a new folder for each attempt
    const options = ["--workers", "2", "--port", "0", "--no-test", "--balance", "even", "--out", out];
    const coordinator = start(["coordinator", ...options, ...training]);
    await coordinator.prints("pnpm worker --coordinator");
    const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
    const worker = (name: string, prefix: string[] = []) =>
      start(["worker", "--coordinator", url, "--threads", "1", "--name", name], {}, prefix).finished;
    const ended = await Promise.all([coordinator.finished, worker("here"), worker("elsewhere", elsewhere)]);
    expect(ended.map(({ status }) => status)).toEqual([0, 0, 0]);

    const rows = readMetrics(join(out, "metrics.jsonl")).filter((row) => row.type === "step");
    for (const name of ["here", "elsewhere"]) {
      const inside = rows.filter(({ ms, workers }) => {
        const { doneMs } = defined(defined(workers).find((worker) => worker.name === name));
        return defined(doneMs) > 0 && defined(doneMs) < ms.step; // clipped at either end if the clocks were not aligned
      });
      expect(inside.length, name).toBeGreaterThan(STEPS / 2);
    }
    const { names, events } = readTrace(join(out, "trace.json"));
    expect(names.toSorted()).toEqual(["coordinator", "elsewhere", "here"]);
    const endUs = Math.max(...events.map(end));
    for (const tid of [1, 2]) {
      const ofWorker = events.filter((event) => event.tid === tid);
      expect(ofWorker.filter(({ name }) => name === "backward").length).toBe(STEPS);
      for (const [index, event] of ofWorker.slice(1).entries()) expect(event.ts).toBe(end(defined(ofWorker[index])));
      expect(end(defined(ofWorker.at(-1)))).toBe(endUs);
    }
  },
);
