/** Tests a coordinator whose disk fails, on real file systems: it ends with the reason, and its workers wait for it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mountSmallDisk, type SmallDisk } from "@lockstep/testing";
import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";
import { run as runToEnd, tinyModel } from "./testing/program.ts";
import { Training } from "./testing/training.ts";
import { Undisturbed } from "./testing/undisturbed.ts";

const dir = mkdtempSync(join(tmpdir(), "lockstep-disk-"));
afterAll(() => rmSync(dir, { recursive: true }));

const options = ["--model", tinyModel, "--dataset", "shapes", "--train-fraction", "1", "--no-test", "--lr", "0.05"];
const tiny = [...options, "--num-epochs", "1000", "--batch-size", "60", "--slice-rows", "5", "--checkpoint-every", "4"];
const undisturbed = new Undisturbed(tiny, join(dir, "undisturbed"));
/** Bytes that hold a row of metrics, but not a checkpoint of 136 KB. */
const LESS_THAN_A_CHECKPOINT = 80_000;

describe("a small disk (needs Linux and the right to mount it)", () => {
  let disk: SmallDisk;
  beforeEach(({ skip }) => {
    const mounted = mountSmallDisk(4_000_000);
    if (mounted === undefined) return skip("mounting is not allowed here");
    disk = mounted;
    return () => disk.unmount();
  });

  test.each<[string, RegExp, () => unknown, () => void]>([
    [
      "fills up to the last byte",
      /^ERR_DISK_FULL: Disk full: \S+\/run\/.*--resume/,
      () => disk.fill(0),
      () => disk.clear(),
    ],
    [
      "has no room for a checkpoint",
      /^ERR_DISK_FULL: Disk full: \S+\/step-\d+\.safetensors needs .*--resume/,
      () => disk.fill(LESS_THAN_A_CHECKPOINT),
      () => disk.clear(),
    ],
    [
      "becomes unwritable",
      /^ERR_NOT_WRITABLE: Cannot .* \(EROFS.*\)/,
      () => vi.waitFor(() => disk.setWritable(false), { timeout: 10_000, interval: 1 }), // fails while a file is open
      () => disk.setWritable(true),
    ],
  ])(
    "that %s ends the coordinator with the reason; its workers hold the weights, and --resume goes on",
    async (_, reason, fail, mend) => {
      const limits = ["--workers", "2"];
      const run = await Training.start([...limits, ...tiny], join(disk.dir, "run"));
      const workers = await Promise.all([run.worker("a"), run.worker("b")]);
      await run.waitUntil(() => run.savedSteps >= 8);
      await fail();
      const { status, stderr } = await run.coordinator.finished;
      expect(stderr).toMatch(reason);
      expect(stderr.trim().split("\n")).toHaveLength(1);
      expect(status).toBe(1);
      for (const worker of workers) await worker.prints("Trying to reconnect");
      const saved = run.savedSteps;
      expect(saved).toBeGreaterThanOrEqual(8);

      mend();
      await run.resume(limits);
      await run.coordinator.prints(/resuming after \d+ steps, with the weights that workers hold/);
      await run.advances(5);
      run.coordinator.child.kill("SIGINT");
      expect((await run.coordinator.finished).status).toBe(130);
      for (const { finished } of workers) expect((await finished).status).toBe(0);
      await undisturbed.assertSame(run.out);
    },
  );

  test("on which only the last checkpoint is left: --resume continues from it", async () => {
    const limits = ["--workers", "1"];
    const run = await Training.start([...limits, ...tiny], join(disk.dir, "run"));
    const worker = await run.worker("a");
    await run.waitUntil(() => run.savedSteps >= 8);
    disk.fill(LESS_THAN_A_CHECKPOINT);
    expect((await run.coordinator.finished).stderr).toMatch(/^ERR_DISK_FULL/);
    worker.child.kill("SIGKILL");
    const saved = run.savedSteps;
    disk.clear();
    await run.resume(limits);
    const other = await run.worker("b");
    await run.coordinator.prints(`resuming after ${saved} steps, from the checkpoint`);
    await run.advances(5);
    run.coordinator.child.kill("SIGINT");
    expect((await run.coordinator.finished).status).toBe(130);
    expect((await other.finished).status).toBe(0);
    await undisturbed.assertSame(run.out);
  });

  test("that is read-only from the start: the coordinator does not start, and reports it", async () => {
    disk.setWritable(false);
    const { status, stdout, stderr } = await runToEnd(["coordinator", ...tiny, "--out", join(disk.dir, "run")]);
    expect(stderr).toMatch(/^ERR_NOT_WRITABLE: Cannot .* \(EROFS.*\).* --out\.\n$/);
    expect([status, stdout]).toEqual([1, ""]);
  });
});
