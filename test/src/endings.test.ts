/** Tests how the programs end: with what is missing, on stop signals, and with closed standard output. */

import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { defined, test } from "@lockstep/testing";
import { expect, onTestFinished } from "vitest";
import { launch, run, start, tinyModel } from "./testing/program.ts";
import { Training } from "./testing/training.ts";
import { stepsOf } from "./testing/undisturbed.ts";

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
  const steps = stepsOf(out).length;
  expect(existsSync(join(out, `checkpoints/step-${String(steps).padStart(8, "0")}.safetensors`))).toBe(true);
}

test("pnpm train --workers prints once why no worker's engine starts, and leaves no folder", async ({ folder }) => {
  const words = ["train", ...endless, "--workers", "2", "--backend", "native", "--no-dashboard"];
  const nowhere = { LOCKSTEP_LIBTENSORFLOW: join(folder, "nowhere") };
  const out = join(folder, "no-engine");
  const { status, stdout, stderr } = await run([...words, "--out", out], nowhere);
  expect(stderr).toMatch(/^ERR_LIBTENSORFLOW: worker-[01]: .*nowhere.*\n$/); // one line, without a stack trace
  expect(stdout).not.toContain("nowhere");
  expect(status).toBe(1);
  expect(existsSync(out)).toBe(false);
});

test("a worker whose engine does not start ends with the reason, which its coordinator prints and keeps waiting", async ({
  folder,
}) => {
  const { coordinator, url } = await Training.start([...endless, "--workers", "1"], join(folder, "engineless"));
  const nowhere = { LOCKSTEP_LIBTENSORFLOW: join(folder, "nowhere") };
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

test("the coordinator names a missing data file, and ends", async ({ folder }) => {
  writeFileSync(join(folder, "data_batch_1.bin"), "");
  const { status, stderr } = await run(["coordinator", "--data-dir", folder, "--out", join(folder, "no-data")]);
  expect(stderr).toMatch(/^ERR_DATA_FILE: .*data_batch_1\.bin: expected 30,730,000 bytes, got 0 bytes/);
  expect(status).toBe(1);
});

test("a worker reports that no coordinator listens", async () => {
  const { status, stderr } = await run(["worker", "--coordinator", "ws://127.0.0.1:1"]);
  expect(stderr).toContain("ERR_CONNECT: No coordinator responds at ws://127.0.0.1:1");
  expect(status).toBe(1);
});

test("a coordinator whose requested port is in use ends with that reason", async ({ folder }) => {
  const other = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void other.close());
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  const listenOptions = ["--port", String(port), "--out", join(folder, "run")];
  const { status, stderr } = await run(["coordinator", ...endless, ...listenOptions]);
  expect(stderr).toContain(`ERR_LISTEN: Cannot listen on 127.0.0.1:${port}`);
  expect(status).toBe(1);
});

test("SIGTERM to pnpm saves the run, and pnpm exits with the status of the program", async ({ folder }) => {
  const out = join(folder, "pnpm");
  const training = launch([...pnpm(), "train", ...endless, "--threads", "1", "--no-dashboard", "--out", out]);
  await training.prints(/^step/m);
  training.child.kill("SIGTERM");
  const { status, stdout } = await training.finished;
  expect(stdout).toContain("received SIGTERM: stopping after this step; another SIGTERM stops at once");
  expect(stdout).toMatch(/^stopped after \d+ steps?; continue with/m);
  expect(status).toBe(143);
  assertSaved(out);
});

test("SIGHUP saves the run, after its terminal was closed", async ({ folder }) => {
  const out = join(folder, "hangup");
  const training = start(["train", ...endless, "--threads", "1", "--no-dashboard", "--out", out]);
  await training.prints(/^step/m);
  training.child.kill("SIGHUP");
  const { status, stdout } = await training.finished;
  expect(stdout).toContain("the terminal has closed (SIGHUP)");
  expect(status).toBe(129);
  assertSaved(out);
});

test("a stopped run is saved after the standard output of its coordinator and worker was closed", async ({
  folder,
}) => {
  const out = join(folder, "pipes");
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
