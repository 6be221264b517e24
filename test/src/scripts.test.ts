/** Tests that the developers' scripts refuse unknown options and invalid values. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "@lockstep/testing";
import { expect } from "vitest";

test.for<[script: string, words: string[], reason: string]>([
  ["fuzz", ["--frames", "x"], 'Expected a whole number of at least 1, got "x".'],
  ["fuzz", ["--only", "nobody"], "Allowed choices are coordinator, worker."],
  ["soak", ["--steps", "0"], 'Expected a whole number of at least 1, got "0".'],
  ["soak", ["--stepz", "3"], "unknown option '--stepz'"],
])("pnpm %s %j is refused with what was expected", ([script, words, reason]) => {
  const main = fileURLToPath(new URL(`./${script}/main.ts`, import.meta.url));
  const node = ["--import", "tsx", "--conditions=lockstep-source", main, ...words];
  const { status, stderr, stdout } = spawnSync(process.execPath, node, { encoding: "utf8", timeout: 30_000 });
  expect(stderr).toContain(reason);
  expect(stderr).not.toContain("    at "); // no stack trace
  expect([status, stdout]).toEqual([1, ""]);
});

test("a relative path is relative to the folder where the command was typed, not where pnpm runs it", ({ folder }) => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const words = ["--dir", root, "export", "--run", "my-run", "--to", "trace"];
  const { stderr } = spawnSync("pnpm", words, { cwd: folder, encoding: "utf8", timeout: 60_000 });
  expect(stderr).toContain(
    `ERR_NO_RUN: Expected the folder of a run at ${join(folder, "my-run")}, but it does not exist.`,
  );
});
