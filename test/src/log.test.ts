/** Tests `--log json`: the programs print one JSON object per line, without secrets. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defined } from "@lockstep/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hasTerminals, run, start, terminalPrefix, tinyModel } from "./testing/program.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-log-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

const tiny = ["--model", tinyModel, "--dataset", "shapes", "--batch-size", "256", "--lr", "0.05", "--log", "json"];

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
      const line = JSON.parse(text) as Line;
      expect(line, text).toMatchObject({ level: expect.any(String), message: expect.any(String) });
      expect(new Date(line.time).toISOString()).toBe(line.time);
      return line;
    });
}

test("a run on one machine logs its epochs and its test with their figures", async () => {
  const { status, stdout, stderr } = await run(["train", ...tiny, "--num-epochs", "1", "--out", join(dir, "one")]);
  expect([status, stderr]).toEqual([0, ""]);
  const lines = linesOf(stdout);
  expect(lines.find(({ type }) => type === "epoch")).toMatchObject({ epoch: 1, trainLoss: expect.any(Number) });
  expect(lines.find(({ type }) => type === "test")).toMatchObject({ samples: 2000, accuracy: expect.any(Number) });
});

test("an error is logged as a line on standard error, with its code", async () => {
  const { status, stdout, stderr } = await run(["train", "--resume", join(dir, "nowhere"), "--log", "json"]);
  expect([status, stdout]).toEqual([1, ""]);
  expect(linesOf(stderr)).toMatchObject([{ level: "error", code: "ERR_NO_RUN" }]);
});

test.runIf(hasTerminals)(
  "on a terminal, too, a coordinator and its worker print objects, and no token is in any of them",
  async () => {
    const env = { LOCKSTEP_TOKEN: "the-secret-of-this-test", LOCKSTEP_CONTROL_TOKEN: "the-other-secret-of-this-test" };
    const options = ["--workers", "1", "--max-steps", "2", "--port", "0", "--out", join(dir, "together")];
    const coordinator = start(["coordinator", ...options, ...tiny], env, terminalPrefix);
    await coordinator.prints(/ws:\/\/127\.0\.0\.1:\d+/);
    const [url] = defined(/ws:\/\/127\.0\.0\.1:\d+/.exec(coordinator.stdout()));
    const worker = start(["worker", "--coordinator", url, "--log", "json"], env);
    const [first, second] = await Promise.all([coordinator.finished, worker.finished]);
    expect([first.status, second.status, second.stderr]).toEqual([0, 0, ""]);
    expect(linesOf(first.stdout).some(({ message }) => message.includes("LOCKSTEP_TOKEN=… pnpm worker"))).toBe(true);
    expect(linesOf(second.stdout).length).toBeGreaterThan(1);
    const alone = start(["train", "--max-steps", "2", "--out", join(dir, "alone"), ...tiny], env, terminalPrefix);
    const { stdout } = await alone.finished;
    expect(linesOf(stdout).some(({ message }) => message.startsWith("dashboard: http://"))).toBe(true);
    expect(first.stdout + second.stdout + stdout).not.toContain("secret-of-this-test");
  },
);
