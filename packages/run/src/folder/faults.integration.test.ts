/** Tests on a real small disk that a run whose disk fails leaves a folder that can be resumed. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test as base, mountSmallDisk } from "@lockstep/testing";
import { expect } from "vitest";
import { LiveRun } from "../live/live-run.ts";
import { readEvents, recordEvents } from "../record/event-log.ts";
import type { RunWriter } from "../record/run-writer.ts";
import { assertResumes } from "../testing/assert-resumes.ts";
import { CountingTeam, countingRun } from "../testing/counting-team.ts";
import { smallCheckpoint } from "../testing/small-checkpoint.ts";
import { latestCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import { createRunFolder, holdRunFolder, type RunFolder } from "./run-folder.ts";

/** Bytes of the team's weights; a checkpoint has twice as many. */
const WEIGHTS_BYTES = 400_000;

/** Tests with a small disk, and a run whose folder is on it. They need Linux and the right to mount. */
const test = base
  .extend("disk", ({ skip }, { onCleanup }) => {
    const disk = mountSmallDisk(4_000_000) ?? skip("mounting is not allowed here");
    onCleanup(disk.unmount);
    return disk;
  })
  .extend("faulty", ({ disk }) => {
    const folder = createRunFolder(join(disk.dir, "run"), "m", new Date());
    const team = Object.assign(new CountingTeam(), { weights: WEIGHTS_BYTES / 4 });
    const run = () => countingRun({ folder, options: {}, team });
    /** Fills the disk when no checkpoint is under way. */
    const fill = async (writer: RunWriter, freeBytes: number) => {
      await writer.written();
      disk.fill(freeBytes);
    };
    return { folder, team, run, fill };
  });

const log = () => {};
const checkpoints = (folder: RunFolder) => readdirSync(folder.checkpoints);

function diskFull(file: string) {
  const message = `^Disk full: \\S*/${file} needs .*, but only .* is free\\. Free some space \\(a run continues with --res`;
  return expect.objectContaining({ code: "ERR_DISK_FULL", message: expect.stringMatching(RegExp(message)) });
}

test("a disk that fills up in a checkpoint keeps the checkpoint before it", async ({ disk, faulty, folder }) => {
  const { writer, outcome } = faulty.run();
  faulty.team.onStep = (step) => (step === 3 ? faulty.fill(writer, WEIGHTS_BYTES) : undefined);
  await expect(outcome()).rejects.toThrow(diskFull("step-00000006\\.safetensors"));
  expect(checkpoints(faulty.folder)).toEqual(["best.safetensors", "step-00000003.safetensors"]);
  disk.clear();
  await assertResumes(faulty.folder, folder);
});

test("a disk that fills up in a row leaves half a row, and no commit of its step", async ({ disk, faulty, folder }) => {
  const parts = Array.from({ length: 1000 }, (_, i) => [`part ${i}`, 1]);
  faulty.team.ms = { step: 1, ...Object.fromEntries(parts) }; // a row of more than a block
  const { writer, outcome } = faulty.run();
  faulty.team.onStep = (step) => (step === 3 ? faulty.fill(writer, 0) : undefined);
  await expect(outcome()).rejects.toThrow(diskFull("metrics\\.jsonl"));
  expect(faulty.team.updates).toBe(4);
  expect(readFileSync(faulty.folder.metrics, "utf8").endsWith("\n")).toBe(false);
  disk.clear();
  await assertResumes(faulty.folder, folder);
});

test("a disk that fills up in the final weights leaves no weights file", async ({ disk, faulty, folder }) => {
  const { writer, outcome } = faulty.run();
  faulty.team.onTest = () => faulty.fill(writer, WEIGHTS_BYTES / 2);
  await expect(outcome()).rejects.toThrow(diskFull("M\\.safetensors"));
  expect(existsSync(faulty.folder.weights("M"))).toBe(false);
  expect(checkpoints(faulty.folder)).toContain("step-00000006.safetensors");
  disk.clear();
  await assertResumes(faulty.folder, folder);
});

test("a disk without space for a new run's folder ends the run before the first step", async ({ disk, faulty }) => {
  disk.fill(0);
  await expect(holdRunFolder(faulty.folder, log)).rejects.toThrow(diskFull("run\\.pid"));
  expect(faulty.run).toThrow(diskFull("events\\.out\\S*"));
  expect(faulty.team.done).toEqual([]);
});

test("a disk that becomes unwritable ends the run, which can be resumed later", async ({ disk, faulty, folder }) => {
  const lease = await holdRunFolder(faulty.folder, log);
  const { writer, outcome } = faulty.run();
  faulty.team.onTest = async () => {
    await writer.written();
    disk.setWritable(false);
  };
  const notWritable = expect.objectContaining({
    code: "ERR_NOT_WRITABLE",
    message: expect.stringMatching(/^Cannot .* \(EROFS.*\).* --out\.$/),
  });
  await expect(outcome()).rejects.toThrow(notWritable);
  expect(() => lease.release()).not.toThrow();
  await expect(holdRunFolder(faulty.folder, log)).rejects.toThrow(notWritable);
  expect(() => createRunFolder(join(disk.dir, "other"), "m", new Date())).toThrow(
    expect.objectContaining({
      code: "ERR_NOT_WRITABLE",
      message: `Cannot create the run's folder ${join(disk.dir, "other")}: ${disk.dir} is on a read-only file system. Choose another with --out.`,
    }),
  );
  disk.setWritable(true);
  await assertResumes(faulty.folder, folder);
});

test("a full disk keeps the older checkpoints", async ({ disk }) => {
  const dir = join(disk.dir, "checkpoints");
  await saveCheckpoint(dir, smallCheckpoint(10), { keep: 1 });
  disk.fill(0);
  await expect(saveCheckpoint(dir, smallCheckpoint(20), { keep: 1 })).rejects.toThrow(
    expect.objectContaining({ code: "ERR_DISK_FULL" }),
  );
  expect(latestCheckpoint(dir, expect.fail).step).toBe(10);
});

test("an event that a full disk cut is skipped, and the events before and after it are read", ({ disk }) => {
  const path = join(disk.dir, "events.jsonl");
  const live = new LiveRun();
  recordEvents(live, path);
  live.event("a joined", "joined");
  disk.fill(0);
  live.event("x".repeat(100_000), "joined"); // its beginning fits into the block that the file has already
  disk.clear();
  live.event("b joined", "joined");
  expect(readEvents(path).map(({ text }) => text)).toEqual(["a joined", "b joined"]);
  expect(readFileSync(path, "utf8").split("\n")).toHaveLength(3);
});
