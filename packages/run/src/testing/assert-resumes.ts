/** Checks that a run that was disturbed can be resumed, and ends like one that was not. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { defined } from "@lockstep/testing";
import { expect } from "vitest";
import { readMetrics } from "../folder/metrics.ts";
import { createRunFolder, type RunFolder } from "../folder/run-folder.ts";
import { readWeights } from "../folder/weights.ts";
import { CountingTeam, countingRun, resumedCountingRun } from "./counting-team.ts";

const isTemporary = (name: string | Buffer) => name.toString().endsWith(".tmp");
const rowsOf = (run: RunFolder) => readMetrics(run.metrics).map((row) => ({ ...row, ms: undefined }));
const weightOf = (run: RunFolder) => defined(readWeights(run, "M").get("w")).data[0];

/**
 * Resumes the run in `folder` until its end, and asserts that it has the rows and the weights of an undisturbed run,
 * and no temporary files.
 *
 * @param dir a folder for the undisturbed run
 */
export async function assertResumes(folder: RunFolder, dir: string): Promise<void> {
  const undisturbed = createRunFolder(join(dir, "undisturbed"), "m", new Date());
  await countingRun({ folder: undisturbed, options: {}, team: new CountingTeam() }).outcome();
  expect(await resumedCountingRun({ folder, options: {} }).outcome()).toBe("finished");
  expect(rowsOf(folder)).toEqual(rowsOf(undisturbed));
  expect(weightOf(folder)).toBe(weightOf(undisturbed));
  expect(readdirSync(folder.dir, { recursive: true }).filter(isTemporary)).toEqual([]);
}
