/** Tests how the programs end: without an engine, on stop signals, and with closed standard output. */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readMetrics } from "@lockstep/run";
import { defined } from "@lockstep/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, run, start, tinyModel } from "./testing/program.ts";
import { Training } from "./testing/training.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-endings-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

const tiny = ["--model", tinyModel, "--dataset", "shapes", "--train-fraction", "1", "--no-test", "--batch-size", "64"];
const endless = [...tiny, "--max-steps", "100000"];

/** Command of pnpm: the one that runs these tests, if any. */
const pnpm = () => {
  const path = process.env["npm_execpath"];
  if (path === undefined || !path.includes("pnpm")) return ["pnpm"];
  return path.endsWith("js") ? [process.execPath, path] : [path];
};

/** Asserts that the last checkpoint of a run is of its last step. */
function assertSaved(out: string): void {
  const steps = readMetrics(join(out, "metrics.jsonl")).filter(({ type }) => type === "step").length;
  expect(existsSync(join(out, `checkpoints/step-${String(steps).padStart(8, "0")}.safetensors`))).toBe(true);
}

test("pnpm train --workers prints once why no worker's engine starts, and leaves no folder", async () => {
  const words = ["train", ...endless, "--workers", "2", "--backend", "native", "--no-dashboard"];
  const nowhere = { LOCKSTEP_LIBTENSORFLOW: join(dir, "nowhere") };
  const out = join(dir, "no-engine");
  const { status, stdout, stderr } = await run([...words, "--out", out], nowhere);
  expect(stderr).toMatch(/^ERR_LIBTENSORFLOW: worker-[01]: .*nowhere.*\n$/); // one line, without a stack trace
  expect(stdout).not.toContain("nowhere");
  expect(status).toBe(1);
  expect(existsSync(out)).toBe(false);
});

test("a worker whose engine does not start ends with the reason, which its coordinator prints and keeps waiting", async () => {
  const coordinator = start(["coordinator", ...endless, "--workers", "1", "--out", join(dir, "engineless")]);
  await coordinator.prints("pnpm worker --coordinator");
  const url = defined(/ws:\/\/\S+/.exec(coordinator.stdout()))[0];
  const nowhere = { LOCKSTEP_LIBTENSORFLOW: join(dir, "nowhere") };
  const worker = start(["worker", "--coordinator", url, "--backend", "native"], nowhere);
  await coordinator.prints(/^127\.0\.0\.1 cannot join: ERR_LIBTENSORFLOW: .*nowhere/m);
  const { status, stderr } = await worker.finished;
  expect(stderr).toMatch(/^ERR_LIBTENSORFLOW: .*nowhere/);
  expect(status).toBe(1);
  expect(coordinator.child.exitCode).toBe(null);
});

test.runIf(process.platform === "linux").each(["train", "coordinator", "worker"])(
  "with too few open files, pnpm %s says in one line what to raise",
  async (program) => {
    const { status, stderr } = await start([program], {}, ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"]).finished;
    expect(stderr).toMatch(/^ERR_OPEN_FILES: .*Its limit is 64\. .*ulimit -n 4096\n$/);
    expect(status).toBe(1);
  },
);

describe("a stopped run is saved", () => {
  test("on SIGTERM to pnpm, whose exit status is that of the program", async () => {
    const out = join(dir, "pnpm");
    const training = launch([...pnpm(), "train", ...endless, "--threads", "1", "--no-dashboard", "--out", out]);
    await training.prints(/^step/m);
    training.child.kill("SIGTERM");
    const { status, stdout } = await training.finished;
    expect(stdout).toContain("received SIGTERM: stopping after this step; another SIGTERM stops at once");
    expect(stdout).toMatch(/^stopped after \d+ steps; continue with/m);
    expect(status).toBe(143);
    assertSaved(out);
  });

  test("on SIGHUP, after its terminal was closed", async () => {
    const out = join(dir, "hangup");
    const training = start(["train", ...endless, "--threads", "1", "--no-dashboard", "--out", out]);
    await training.prints(/^step/m);
    training.child.kill("SIGHUP");
    const { status, stdout } = await training.finished;
    expect(stdout).toContain("the terminal has closed (SIGHUP)");
    expect(status).toBe(129);
    assertSaved(out);
  });

  test("after the standard output of coordinator and worker was closed", async () => {
    const out = join(dir, "pipes");
    const training = await Training.start(["--workers", "1", ...endless], out);
    const worker = await training.worker("a");
    defined(worker.child.stdout).destroy();
    await training.advances(1);
    defined(training.coordinator.child.stdout).destroy();
    training.coordinator.child.kill("SIGTERM");
    expect(await training.coordinator.finished).toMatchObject({ status: 143, stderr: "" });
    expect(await worker.finished).toMatchObject({ status: 0, stderr: "" });
    assertSaved(out);
  });
});
