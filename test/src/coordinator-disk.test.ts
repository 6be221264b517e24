/**
 * Tests a coordinator whose disk fails, on a real file system: it ends with the reason, and its workers wait for it.
 * The tests follow on each other: they share one run, which ends with the result of an undisturbed one.
 */
import { join } from "node:path";
import { defined, mountSmallDisk, type SmallDisk, temporaryFolder } from "@lockstep/testing";
import { afterAll, test as base, expect, vi } from "vitest";
import { ProxiedWorkers } from "./testing/network/proxied-workers.ts";
import { type Running, run as runToEnd, tinyModel } from "./testing/program.ts";
import { Training } from "./testing/training.ts";
import { Undisturbed } from "./testing/undisturbed.ts";

const options = ["--model", tinyModel, "--dataset", "shapes", "--train-fraction", "1", "--no-test", "--lr", "0.05"];
const tiny = [...options, "--num-epochs", "1000", "--batch-size", "60", "--slice-rows", "5", "--checkpoint-every", "4"];
const undisturbed = new Undisturbed(tiny, join(temporaryFolder(), "undisturbed"));
/** Bytes that hold a row of metrics, but not a checkpoint of 136 KB. */
const LESS_THAN_A_CHECKPOINT = 80_000;

const mounted = mountSmallDisk(4_000_000);
afterAll(() => mounted?.unmount());

const test = base
  .extend("disk", { scope: "file" }, () => defined(mounted, "a small disk"))
  .extend("run", { scope: "file" }, ({ disk }) =>
    Training.start(["--workers", "1", ...tiny], join(disk.dir, "run"), "file"),
  )
  .extend("workers", { scope: "file" }, ({ run }, { onCleanup }) => {
    const workers = new ProxiedWorkers(run);
    onCleanup(() => workers.close());
    return workers;
  })
  .skipIf(mounted === undefined);
const needs = "(needs Linux and the right to mount a disk)";

/** Resolves when the run has two more checkpoints. */
async function twoCheckpoints(run: Training): Promise<void> {
  const before = run.savedSteps;
  await run.waitUntil(() => run.savedSteps >= before + 8);
}

test(`--resume continues from the last checkpoint if nothing else is left of a run whose disk was full ${needs}`, async ({
  disk,
  run,
  workers,
}) => {
  const worker = await run.worker("first");
  await twoCheckpoints(run);
  disk.fill(LESS_THAN_A_CHECKPOINT);
  expect((await run.coordinator.finished).stderr).toMatch(/^ERR_DISK_FULL/);
  worker.child.kill("SIGKILL");
  const saved = run.savedSteps;
  disk.clear();
  await run.resume(["--workers", "2"]);
  await Promise.all([workers.start("a"), workers.start("b")]);
  await run.coordinator.prints(`resuming after ${saved} steps, from the checkpoint`);
  await run.advances(5);
});

/** A failure of the disk. */
interface Failure {
  disk: string;
  /** What the coordinator prints as it ends. */
  reason: RegExp;
  cause: (disk: SmallDisk) => unknown;
  mend: (disk: SmallDisk) => void;
}

const failures: Failure[] = [
  {
    disk: "fills up to the last byte",
    reason: /^ERR_DISK_FULL: Disk full: \S+\/run\/.*--resume/,
    cause: (disk) => disk.fill(0),
    mend: (disk) => disk.clear(),
  },
  {
    disk: "has no room for a checkpoint",
    reason: /^ERR_DISK_FULL: Disk full: \S+\/step-\d+\.safetensors needs .*--resume/,
    cause: (disk) => disk.fill(LESS_THAN_A_CHECKPOINT),
    mend: (disk) => disk.clear(),
  },
  {
    disk: "becomes unwritable",
    reason: /^ERR_NOT_WRITABLE: Cannot .* \(EROFS.*\)/,
    // Making the disk read-only fails while a file is open.
    cause: (disk) => vi.waitFor(() => disk.setWritable(false), { timeout: 10_000, interval: 1 }),
    mend: (disk) => disk.setWritable(true),
  },
];

test.for(failures)(
  `a coordinator whose disk $disk ends with the reason, and --resume continues with the weights that its workers hold ${needs}`,
  async ({ reason, cause, mend }, { disk, run, workers }) => {
    const both = [workers.get("a").process, workers.get("b").process];
    const reconnections = (worker: Running) => worker.stdout().match(/Trying to reconnect/g)?.length ?? 0;
    const earlier = both.map(reconnections);
    await twoCheckpoints(run);
    const saved = run.savedSteps;
    await cause(disk);
    const { status, stderr } = await run.coordinator.finished;
    expect(stderr).toMatch(reason);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(status).toBe(1);
    await vi.waitFor(() => expect(both.map(reconnections)).toEqual(earlier.map((count) => count + 1)), 10_000);
    expect(run.savedSteps).toBeGreaterThanOrEqual(saved);

    mend(disk);
    await run.resume(["--workers", "2"]);
    await run.coordinator.prints(/resuming after \d+ steps?, with the weights that workers hold/);
    await run.advances(5);
  },
);

test(`a run whose disk has failed repeatedly has the result of an undisturbed run ${needs}`, async ({
  run,
  workers,
}) => {
  run.coordinator.child.kill("SIGINT");
  expect((await run.coordinator.finished).status).toBe(130);
  for (const name of ["a", "b"]) expect((await workers.get(name).process.finished).status).toBe(0);
  await undisturbed.assertSame(run.out);
});

test(`a coordinator whose disk is read-only from the start does not start, and reports it ${needs}`, async ({
  disk,
}) => {
  disk.setWritable(false);
  const { status, stdout, stderr } = await runToEnd(["coordinator", ...tiny, "--out", join(disk.dir, "other")]);
  expect(stderr).toMatch(/^ERR_NOT_WRITABLE: Cannot .* is on a read-only file system\. .* --out\.\n$/);
  expect([status, stdout]).toEqual([1, ""]);
});
