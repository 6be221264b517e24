/** Tests `--log json`: the programs print one JSON object per line, without secrets. */

import { join } from "node:path";
import { defined, test } from "@lockstep/testing";
import { expect } from "vitest";
import { assertSucceeded } from "./testing/assert-succeeded.ts";
import { hasTerminals, run, start, terminalPrefix, tinyModel } from "./testing/program.ts";

const shapes = ["--dataset", "shapes", "--train-fraction", "1", "--max-steps", "2"];
const tiny = ["--model", tinyModel, ...shapes, "--batch-size", "256", "--log", "json"];
const tokens = { LOCKSTEP_TOKEN: "the-secret-of-this-test", LOCKSTEP_CONTROL_TOKEN: "the-other-secret-of-this-test" };

interface Line {
  time: string;
  level: string;
  message: string;
  [field: string]: unknown;
}

/** Parses the lines. Fails if one is not an object, or lacks a required field. */
function linesOf(output: string): Line[] {
  return output
    .trimEnd()
    .split("\n")
    .map((text) => {
      const line: Line = JSON.parse(text);
      expect(line, text).toMatchObject({ level: expect.any(String), message: expect.any(String) });
      expect(new Date(line.time).toISOString()).toBe(line.time);
      return line;
    });
}

/** Returns the names of the phases that a program has logged. */
const phasesOf = (lines: Line[]) => lines.flatMap(({ type, phase }) => (type === "phase" ? [phase] : []));

/** The facts of a run of two steps, as the object of its header has them. */
const facts = { model: "Tiny", dataset: "shapes", trainSamples: 10_000, validationSamples: 0, steps: 2, doneSteps: 0 };

test("a run on one machine logs its facts, its phases, its epochs and its test with their figures", async ({
  folder,
}) => {
  const out = join(folder, "run");
  const finished = await run(["train", ...tiny, "--out", out]);
  assertSucceeded(finished);
  const lines = linesOf(finished.stdout);
  expect(lines.find(({ type }) => type === "run")).toMatchObject({ ...facts, folder: out });
  expect(phasesOf(lines)).toEqual(["stepping", "over"]);
  expect(lines.find(({ type }) => type === "epoch")).toMatchObject({ epoch: 1, trainLoss: expect.any(Number) });
  expect(lines.find(({ type }) => type === "test")).toMatchObject({ samples: 2000, accuracy: expect.any(Number) });
});

test("an error is logged as a line on standard error, with its code", async ({ folder }) => {
  const { status, stdout, stderr } = await run(["train", "--resume", join(folder, "nowhere"), "--log", "json"]);
  expect([status, stdout]).toEqual([1, ""]);
  expect(linesOf(stderr)).toMatchObject([{ level: "error", code: "ERR_NO_RUN" }]);
});

test.runIf(hasTerminals)(
  "on a terminal, too, a run on one machine prints objects without tokens",
  async ({ folder }) => {
    const words = ["train", "--no-test", "--out", join(folder, "run"), ...tiny];
    const { stdout } = await start(words, tokens, terminalPrefix).finished;
    expect(linesOf(stdout).some(({ message }) => message.startsWith("dashboard: http://"))).toBe(true);
    expect(stdout).not.toContain("secret-of-this-test");
  },
);

test.runIf(hasTerminals)(
  "on a terminal, too, a coordinator and its worker print objects without tokens",
  async ({ folder }) => {
    const options = ["--workers", "1", "--no-test", "--port", "0", "--out", join(folder, "run")];
    const coordinator = start(["coordinator", ...options, ...tiny], tokens, terminalPrefix);
    await coordinator.prints(/ws:\/\/127\.0\.0\.1:\d+/);
    const [url] = defined(/ws:\/\/127\.0\.0\.1:\d+/.exec(coordinator.stdout()));
    const worker = start(["worker", "--coordinator", url, "--log", "json"], tokens);
    const [first, second] = await Promise.all([coordinator.finished, worker.finished]);
    expect([first.status, second.status, second.stderr]).toEqual([0, 0, ""]);
    expect(linesOf(first.stdout).some(({ message }) => message.includes("LOCKSTEP_TOKEN=… pnpm worker"))).toBe(true);
    assertLoggedRun(linesOf(first.stdout), linesOf(second.stdout), join(folder, "run"));
    expect(first.stdout + second.stdout).not.toContain("secret-of-this-test");
  },
);

/**
 * Asserts that a coordinator has logged its folder, the facts of its run, its phases and its end, and a worker the end.
 */
function assertLoggedRun(coordinator: Line[], worker: Line[], folder: string): void {
  const headers = coordinator.filter(({ type }) => type === "folder" || type === "run");
  expect(headers).toMatchObject([
    { type: "folder", folder },
    { type: "run", folder, ...facts },
  ]);
  expect(phasesOf(coordinator)).toEqual(["gathering", "starting", "stepping", "over"]);
  expect(coordinator.at(-1)?.message).toMatch(/^next: {4}pnpm evaluate --run /);
  expect(worker.at(-1)?.message).toBe("the run is finished: all 2 steps are done");
}
