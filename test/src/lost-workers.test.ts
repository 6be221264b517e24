/**
 * Tests the loss of workers that send their weights to others, and of those that `pnpm train --workers` starts. The tests of
 * the first run follow on each other, so run the file as a whole.
 */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { at } from "@lockstep/errors";
import { defined, temporaryFolder } from "@lockstep/testing";
import { test as base, expect, test } from "vitest";
import { manySteps, shapes } from "./testing/fault-limits.ts";
import { ProxiedWorkers } from "./testing/network/proxied-workers.ts";
import { run as runToEnd, start, tinyModel, wideModel } from "./testing/program.ts";
import { Training } from "./testing/training.ts";

const folder = temporaryFolder();
const wide = ["--model", wideModel, ...shapes, "--batch-size", "8", "--slice-rows", "4"];

/** Tests that follow on each other: they share a run whose weights take a while to send. */
const wideTest = base
  .extend("run", { scope: "file" }, () => Training.start(["--workers", "1", ...wide], join(folder, "wide"), "file"))
  .extend("workers", { scope: "file" }, ({ run }, { onCleanup }) => {
    const workers = new ProxiedWorkers(run, { standbys: 1, owner: "file" });
    onCleanup(() => workers.close());
    return workers;
  });

wideTest("a late joiner starts over if the worker that sends it the weights is lost", async ({ run, workers }) => {
  const source = await run.worker("source");
  await run.advances(1);
  await workers.join("newcomer");
  const { proxy } = workers.get("newcomer");
  await proxy.down.hold(3_000_000);
  source.child.kill("SIGKILL");
  await run.coordinator.prints("resuming after 0 steps, from the start: no checkpoint was written yet");
  proxy.down.release();
  await run.assignsSlicesTo("newcomer");
});

wideTest("a coordinator does not wait for the current step after Ctrl-C twice", async ({ run, workers }) => {
  workers.signal("newcomer", "SIGSTOP");
  run.coordinator.child.kill("SIGINT");
  await run.coordinator.prints("stopping after this step; Ctrl-C again stops at once");
  run.coordinator.child.kill("SIGINT");
  expect((await run.coordinator.finished).status).toBe(130);
});

test("pnpm train --workers continues with a worker that is started in the place of a killed one, and ends with an error when all have ended", async () => {
  const options = [...manySteps, "--max-steps", "100000", "--out", join(folder, "local")];
  const training = start(["train", "--workers", "2", "--model", tinyModel, ...options]);
  await training.prints(/^step/m);
  const parent = ["-P", String(training.child.pid)];
  const ids = execFileSync("pgrep", [...parent, "-f", "packages/worker/"], { encoding: "utf8" })
    .trim()
    .split("\n");
  expect(ids).toHaveLength(2);
  process.kill(Number(at(ids, 0)), "SIGKILL");
  await training.prints(/^the run continues with 1 worker; start another with: pnpm worker .*\n/m);
  const [, command] = defined(/start another with: pnpm (.*)/.exec(training.stdout()));
  const byHand = start([...defined(command).split(" "), "--name", "by-hand"]);
  await training.prints("by-hand has caught up and is assigned slices");
  process.kill(Number(at(ids, 1)), "SIGTERM");
  await training.prints("worker-1 left (1 connected)");
  byHand.child.kill("SIGTERM");
  expect((await byHand.finished).stdout).toMatch(/this worker has left the run\n$/);
  const { status, stderr } = await training.finished;
  expect(stderr).toContain("ERR_LOCAL_WORKER: All workers have exited");
  expect(status).toBe(1);
});

test("a coordinator whose --min-workers exceed its --workers ends with what it expected", async () => {
  const { status, stderr } = await runToEnd(["coordinator", "--min-workers", "5", "--workers", "2"]);
  expect(stderr).toContain("Expected --min-workers to be at most --workers (2), got 5");
  expect(status).toBe(1);
});
