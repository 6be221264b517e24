/**
 * Tests a worker whose computing thread stalls while its other thread sends heartbeats. The tests are one story: they share
 * a run and follow on each other, so run the file as a whole.
 */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "@lockstep/testing";
import { test as base, expect } from "vitest";
import { HEARTBEAT_MS, limitMs, manySteps, SILENT_MS } from "./testing/fault-limits.ts";
import { ProxiedWorkers } from "./testing/network/proxied-workers.ts";
import { Training } from "./testing/training.ts";
import { stepsOf, Undisturbed } from "./testing/undisturbed.ts";

const folder = temporaryFolder();
const model = fileURLToPath(new URL("../fixtures/stalling-model.js", import.meta.url));
const stalling = ["--model", model, ...manySteps];
const STALL_MS = 3 * SILENT_MS;
const limits = ["--workers", "3", "--heartbeat-ms", String(HEARTBEAT_MS), "--stall-ms", String(STALL_MS)];
/** For each worker, the slice in which it stalls, and for how many milliseconds. */
const stalls = { quick: "", slow: `30 ${SILENT_MS + 2 * HEARTBEAT_MS}`, hung: `80 ${Number.POSITIVE_INFINITY}` };

const test = base
  .extend("run", { scope: "file" }, () => Training.start([...limits, ...stalling], join(folder, "stalling"), "file"))
  .extend("workers", { scope: "file" }, async ({ run }, { onCleanup }) => {
    const workers = new ProxiedWorkers(run, { bytesPerSecond: 2_500_000 });
    onCleanup(() => workers.close());
    const start = ([name, stall]: [string, string]) =>
      workers.start(name, { options: ["--model", model], env: { LOCKSTEP_TEST_STALL: stall } });
    await Promise.all(Object.entries(stalls).map(start));
    return workers;
  });

test("the slices of a worker that stalls for longer than it may be silent are reassigned, and it gets slices again later", async ({
  run,
  workers: _,
}) => {
  await run.coordinator.prints(/samples \d+ to \d+ of step \d+ go to \w+: it has taken/);
  await run.assignsSlicesTo("slow");
  expect(run.coordinator.stdout()).not.toContain("slow was");
});

test("only one step waits for a worker that stalls forever, and it is dropped after --stall-ms", async ({
  run,
  workers,
}) => {
  await run.coordinator.prints("hung was dropped: still sending heartbeats, but no progress for");
  workers.signal("hung", "SIGKILL");
  await run.advances(2);
  const rows = stepsOf(run.out);
  const late = rows.filter(({ ms }) => ms.step > SILENT_MS);
  expect(late.length).toBe(2);
  for (const { ms } of late) expect(ms.step).toBeLessThan(limitMs(rows.filter((row) => !late.includes(row))));
});

test("a run whose workers stall has the result of an undisturbed run", async ({ run }) => {
  run.coordinator.child.kill("SIGINT");
  expect((await run.coordinator.finished).status).toBe(130);
  await new Undisturbed(stalling, join(folder, "undisturbed")).assertSame(run.out);
});
