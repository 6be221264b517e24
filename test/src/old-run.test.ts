/** Tests that this version continues interrupted runs of version 0.1. */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type MetricsRow, readMetrics } from "@lockstep/run";
import { defined, test } from "@lockstep/testing";
import { expect } from "vitest";
import { assertSucceeded } from "./testing/assert-succeeded.ts";
import { type Running, run, start } from "./testing/program.ts";
import { stepsOf } from "./testing/undisturbed.ts";

/**
 * Two runs of `model.ts` on the WebAssembly backend, whose bits are equal on every machine, with the options in their
 * config.json: three epochs of six steps. Each received SIGINT in its second epoch. Machine names are replaced, and
 * `FOLDER` stands for the folder's path.
 */
interface OldRun {
  /** Losses of the uninterrupted run by version 0.1, by step. */
  losses: number[];
  /** Rows of its epochs. */
  epochs: MetricsRow[];
  /** SHA-256 of the file with its final weights. */
  finalWeights: string;
  /** Files of the folder, by path. */
  files: Record<string, string | { base64: string }>;
}

const MACHINE = ["--backend", "wasm", "--threads", "1"];
const file = new URL("../fixtures/run-folder-of-0.1.json", import.meta.url);
const { train, coordinator }: Record<"train" | "coordinator", OldRun> = JSON.parse(readFileSync(file, "utf8"));

/** Writes the files of a run to a folder. */
function writeRun(out: string, { files }: OldRun): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(out, path)), { recursive: true });
    const isText = typeof content === "string";
    const data = isText ? content.replaceAll("FOLDER", out) : Buffer.from(content.base64, "base64");
    writeFileSync(join(out, path), data);
  }
}

/** Asserts that a run has each step once, and the losses and final weights of the uninterrupted run. */
function assertUndisturbed(out: string, { losses, epochs, finalWeights }: OldRun): void {
  const rows = readMetrics(join(out, "metrics.jsonl"));
  expect(stepsOf(out).map(({ step, loss }) => [step, loss])).toEqual(losses.map((loss, step) => [step, loss]));
  expect(rows.filter(({ type }) => type === "epoch")).toEqual(epochs);
  const weights = readFileSync(join(out, "Small.safetensors"));
  expect(createHash("sha256").update(weights).digest("hex")).toBe(finalWeights);
}

/** Starts a coordinator that resumes the run in `out`, and its only worker. */
async function resumeWithOneWorker(out: string): Promise<[Running, Running]> {
  const resumed = start(["coordinator", "--resume", out, "--workers", "1", "--port", "0", "--allow-host", "127.0.0.1"]);
  await resumed.prints(/pnpm worker --coordinator .*\n/);
  const [url] = defined(/ws:\/\/127\.0\.0\.1:\d+/.exec(resumed.stdout()));
  return [resumed, start(["worker", "--coordinator", url, "--name", "first", ...MACHINE])];
}

test("a run that version 0.1 started on one machine ends with the weights of an uninterrupted run", async ({
  folder: out,
}) => {
  writeRun(out, train);
  const loadsTypeScript = { NODE_OPTIONS: "--import=tsx" }; // for the model.ts in the folder
  assertSucceeded(await run(["train", "--resume", out, "--no-dashboard"], loadsTypeScript));
  assertUndisturbed(out, train);
});

test("a run that a coordinator of version 0.1 started ends with the weights of an uninterrupted run", async ({
  folder: out,
}) => {
  writeRun(out, coordinator);
  for (const { finished } of await resumeWithOneWorker(out)) assertSucceeded(await finished);
  assertUndisturbed(out, coordinator);
});
