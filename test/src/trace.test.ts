/** Tests `trace.json` of real runs: on one machine, and with a worker whose clock is off. */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { defined, temporaryFolder, test } from "@lockstep/testing";
import { expect } from "vitest";
import { run, start, tinyModel } from "./testing/program.ts";
import { Training } from "./testing/training.ts";
import { type StepRow, stepsOf } from "./testing/undisturbed.ts";

const STEPS = 12;
const data = ["--dataset", "shapes", "--train-fraction", "1", "--no-test"];
const training = ["--model", tinyModel, ...data, "--batch-size", "250", "--max-steps", String(STEPS)];
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
  const { traceEvents }: { traceEvents: Event[] } = JSON.parse(readFileSync(path, "utf8"));
  const names = traceEvents.filter(({ ph }) => ph === "M").map(({ args }) => args["name"]);
  return { names, events: traceEvents.filter(({ ph }) => ph === "X") };
}

const end = ({ ts, dur }: Event) => ts + dur;

test("the trace of a run on one machine has every step with its segments, and export writes the same", async ({
  folder,
}) => {
  const out = join(folder, "alone");
  expect((await run(["train", ...training, "--out", out])).status).toBe(0);
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

const folderOfTogether = temporaryFolder();
/** The folder of a run by two workers, the second of which has a clock that is a day ahead. */
const togetherTest = test.extend("together", { scope: "file" }, async () => {
  const out = join(folderOfTogether, "together");
  const { coordinator, url } = await Training.start(["--workers", "2", "--balance", "even", ...training], out, "file");
  const worker = (name: string, prefix: string[]) =>
    start(["worker", "--coordinator", url, "--threads", "1", "--name", name], {}, prefix, "file").finished;
  const ended = await Promise.all([coordinator.finished, worker("here", []), worker("elsewhere", elsewhere)]);
  expect(ended.map(({ status }) => status)).toEqual([0, 0, 0]);
  return out;
});

/**
 * Returns whether a worker finished within the step. The time is clipped at either end if the clocks were not aligned.
 */
function isInside(name: string, { ms, workers }: StepRow): boolean {
  const { doneMs } = defined(defined(workers).find((worker) => worker.name === name));
  return defined(doneMs) > 0 && defined(doneMs) < ms.step;
}

togetherTest.runIf(canShiftClocks)(
  "each worker finishes within its steps, also one whose clock is a day ahead",
  ({ together }) => {
    for (const name of ["here", "elsewhere"]) {
      const inside = stepsOf(together).filter((row) => isInside(name, row));
      expect(inside.length, name).toBeGreaterThan(STEPS / 2);
    }
  },
);

togetherTest.runIf(canShiftClocks)("the trace of several workers has a row for each, without gaps", ({ together }) => {
  const { names, events } = readTrace(join(together, "trace.json"));
  expect(names.toSorted()).toEqual(["coordinator", "elsewhere", "here"]);
  const endUs = Math.max(...events.map(end));
  for (const tid of [1, 2]) {
    const ofWorker = events.filter((event) => event.tid === tid);
    expect(ofWorker.filter(({ name }) => name === "backward").length).toBe(STEPS);
    for (const [index, event] of ofWorker.slice(1).entries()) expect(event.ts).toBe(end(defined(ofWorker[index])));
    expect(end(defined(ofWorker.at(-1)))).toBe(endUs);
  }
});
