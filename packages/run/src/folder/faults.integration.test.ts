/** Tests on real file systems that a run whose disk fails leaves a folder that can be resumed. */
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defined, mountSmallDisk, type SmallDisk } from "@lockstep/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RunWriter } from "../record/run-writer.ts";
import { CountingTeam, countingRun, resumedCountingRun } from "../testing/counting-team.ts";
import { readMetrics } from "./metrics.ts";
import { createRunFolder, holdRunFolder, type RunFolder } from "./run-folder.ts";
import { readWeights } from "./weights.ts";

/** Bytes of the large team's weights; a checkpoint has twice as many. */
const WEIGHTS_BYTES = 400_000;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-faults-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const log = () => {};
const checkpoints = (folder: RunFolder) => readdirSync(folder.checkpoints);
const isTemporary = (name: string | Buffer) => name.toString().endsWith(".tmp");

/** Goes on to the end, and finds the rows and the weights of a run that nothing happened to. */
async function assertResumes(folder: RunFolder): Promise<void> {
  const untroubled = createRunFolder(join(dir, "untroubled"), "m", new Date());
  await countingRun({ folder: untroubled, options: {}, team: new CountingTeam() }).outcome();
  expect(await resumedCountingRun({ folder, options: {} }).outcome()).toBe("finished");
  const rowsOf = (run: RunFolder) => readMetrics(run.metrics).map((row) => ({ ...row, ms: undefined }));
  expect(rowsOf(folder)).toEqual(rowsOf(untroubled));
  const weightOf = (run: RunFolder) => defined(readWeights(run, "M").get("w")).data[0];
  expect(weightOf(folder)).toBe(weightOf(untroubled));
  expect(readdirSync(folder.dir, { recursive: true }).filter(isTemporary)).toEqual([]);
}

describe("a small disk (needs Linux and the right to mount it)", () => {
  let disk: SmallDisk;
  let folder: RunFolder;
  let team: CountingTeam;
  beforeEach(({ skip }) => {
    const mounted = mountSmallDisk(4_000_000);
    if (mounted === undefined) return skip("mounting is not allowed here");
    disk = mounted;
    folder = createRunFolder(join(disk.dir, "run"), "m", new Date());
    team = Object.assign(new CountingTeam(), { weights: WEIGHTS_BYTES / 4 });
    return () => disk.unmount();
  });

  const go = () => countingRun({ folder, options: {}, team });

  /** Fills the disk when no checkpoint is under way. */
  const fill = async (writer: RunWriter, freeBytes: number) => {
    await writer.written();
    disk.fill(freeBytes);
  };

  const diskFull = (file: string) =>
    expect.objectContaining({
      code: "ERR_DISK_FULL",
      message: expect.stringMatching(
        RegExp(
          `^Disk full: \\S*/${file} needs .*, but only .* is free\\. Free some space \\(a run continues with --res`,
        ),
      ),
    });

  test("that fills up in a checkpoint keeps the one before", async () => {
    const { writer, outcome } = go();
    team.onStep = (step) => (step === 3 ? fill(writer, WEIGHTS_BYTES) : undefined);
    await expect(outcome()).rejects.toThrow(diskFull("step-00000006\\.safetensors"));
    expect(checkpoints(folder)).toEqual(["best.safetensors", "step-00000003.safetensors"]);
    disk.clear();
    await assertResumes(folder);
  });

  test("that fills up in a row leaves half of it, and its step is not committed", async () => {
    const parts = Array.from({ length: 1000 }, (_, i) => [`part ${i}`, 1]);
    team.ms = { step: 1, ...Object.fromEntries(parts) }; // a row of more than a block
    const { writer, outcome } = go();
    team.onStep = (step) => (step === 3 ? fill(writer, 0) : undefined);
    await expect(outcome()).rejects.toThrow(diskFull("metrics\\.jsonl"));
    expect(team.updates).toBe(4);
    expect(readFileSync(folder.metrics, "utf8").endsWith("\n")).toBe(false);
    disk.clear();
    await assertResumes(folder);
  });

  test("that fills up in the final weights leaves none", async () => {
    const { writer, outcome } = go();
    team.onTest = () => fill(writer, WEIGHTS_BYTES / 2);
    await expect(outcome()).rejects.toThrow(diskFull("M\\.safetensors"));
    expect(existsSync(folder.weights("M"))).toBe(false);
    expect(checkpoints(folder)).toContain("step-00000006.safetensors");
    disk.clear();
    await assertResumes(folder);
  });

  test("that fills up in the folder of a new run says so before the first step", async () => {
    disk.fill(0);
    await expect(holdRunFolder(folder, log)).rejects.toThrow(diskFull("run\\.pid"));
    expect(() => go()).toThrow(diskFull("events\\.out\\S*"));
    expect(team.done).toEqual([]);
  });

  test("that becomes unwritable says so, and what was written stays", async () => {
    const lease = await holdRunFolder(folder, log);
    const { writer, outcome } = go();
    team.onTest = async () => {
      await writer.written();
      disk.setWritable(false);
    };
    const notWritable = expect.objectContaining({
      code: "ERR_NOT_WRITABLE",
      message: expect.stringMatching(/^Cannot .* \(EROFS.*\).* --out\.$/),
    });
    await expect(outcome()).rejects.toThrow(notWritable);
    expect(() => lease.release()).not.toThrow();
    await expect(holdRunFolder(folder, log)).rejects.toThrow(notWritable);
    expect(() => createRunFolder(join(disk.dir, "other"), "m", new Date())).toThrow(notWritable);
    disk.setWritable(true);
    await assertResumes(folder);
  });
});

test("what a kill leaves half-written does not keep a run from going on, and goes with it", async () => {
  const folder = createRunFolder(join(dir, "killed"), "m", new Date());
  await countingRun({ folder, options: {}, team: new CountingTeam(), stopAfter: 3 }).outcome();
  appendFileSync(folder.metrics, '{"type":"step","epoch":2,"st');
  const checkpoint = join(folder.checkpoints, "step-00000006.safetensors");
  const best = join(folder.checkpoints, "best.safetensors");
  for (const path of [checkpoint, best, folder.metrics, folder.weights("M"), folder.report]) {
    writeFileSync(`${path}.0123456789ab.tmp`, "half of a fi");
  }
  await assertResumes(folder);
});
