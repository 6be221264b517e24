/** Folders of runs that version 0.1 left when it was interrupted: later versions go on with them. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type MetricsRow, readMetrics } from "@lockstep/run";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Running, run, start } from "./testing/program.ts";
import { stepsOf } from "./testing/undisturbed.ts";

/**
 * Two runs of the model `model.ts` on the WebAssembly backend, whose bits are the same on every machine, with the options
 * that their config.json says: three epochs of six steps. Each got SIGINT in its second epoch. Names of machines are
 * replaced, and `FOLDER` stands where the folder's path was.
 */
interface OldRun {
  /** The losses of the steps of the same run by version 0.1 without an interruption. */
  losses: number[];
  /** The rows of its epochs. */
  epochs: MetricsRow[];
  /** SHA-256 of the file of its final weights. */
  finalWeights: string;
  /** Each file of the folder by its path in it. */
  files: Record<string, string | { base64: string }>;
}

const MACHINE = ["--backend", "wasm", "--threads", "1"];
const file = new URL("../fixtures/run-folder-of-0.1.json", import.meta.url);
const { train, coordinator }: Record<"train" | "coordinator", OldRun> = JSON.parse(readFileSync(file, "utf8"));

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-old-run-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Writes the files of a run into a new folder. */
function folderOf({ files }: OldRun, name: string): string {
  const out = join(dir, name);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(out, path)), { recursive: true });
    const isText = typeof content === "string";
    const data = isText ? content.replaceAll("FOLDER", out) : Buffer.from(content.base64, "base64");
    writeFileSync(join(out, path), data);
  }
  return out;
}

/** Expects of a run the steps, each once, the losses and the final weights of the one without an interruption. */
function assertUndisturbed(out: string, { losses, epochs, finalWeights }: OldRun): void {
  const rows = readMetrics(join(out, "metrics.jsonl"));
  expect(stepsOf(out).map(({ step, loss }) => [step, loss])).toEqual(losses.map((loss, step) => [step, loss]));
  expect(rows.filter(({ type }) => type === "epoch")).toEqual(epochs);
  const weights = readFileSync(join(out, "Small.safetensors"));
  expect(createHash("sha256").update(weights).digest("hex")).toBe(finalWeights);
}

/** A coordinator that goes on with the run in `out`, and the one worker that it waits for. */
async function resumeWithOneWorker(out: string): Promise<[Running, Running]> {
  const resumed = start(["coordinator", "--resume", out, "--workers", "1", "--port", "0", "--allow-host", "127.0.0.1"]);
  await resumed.prints(/pnpm worker --coordinator .*\n/);
  const [url] = /ws:\/\/127\.0\.0\.1:\d+/.exec(resumed.stdout())!;
  return [resumed, start(["worker", "--coordinator", url, "--name", "first", ...MACHINE])];
}

test("a run that version 0.1 began on one machine ends with the weights that it would have had", async () => {
  const out = folderOf(train, "train");
  const { status, stderr } = await run(["train", "--resume", out, "--no-dashboard"]);
  expect([status, stderr]).toEqual([0, ""]);
  assertUndisturbed(out, train);
});

test("a run that a coordinator of version 0.1 began ends with the weights that it would have had", async () => {
  const out = folderOf(coordinator, "coordinator");
  for (const { finished } of await resumeWithOneWorker(out)) {
    const { status, stderr } = await finished;
    expect([status, stderr]).toEqual([0, ""]);
  }
  assertUndisturbed(out, coordinator);
});
