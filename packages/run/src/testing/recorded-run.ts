/** A run of a counting team whose folder and lines a test looks at, and the test function whose fixture is one. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { ExplicitOptions } from "@lockstep/config";
import { test as base, defined } from "@lockstep/testing";
import { readMetrics } from "../folder/metrics.ts";
import { createRunFolder, type RunFolder } from "../folder/run-folder.ts";
import { readWeights } from "../folder/weights.ts";
import { type CountingRun, CountingTeam, countingRun, resumedCountingRun } from "./counting-team.ts";

/** How a run is trained. */
type Settings = Partial<Pick<CountingRun, "team" | "stopAfter" | "resumePoint">>;

/** A run in a folder of its own. */
export class RecordedRun {
  readonly folder: RunFolder;
  /** What it prints. */
  readonly lines: string[] = [];

  /** @param dir where the run's folder is created */
  constructor(dir: string) {
    this.folder = createRunFolder(dir, "m", new Date());
  }

  /** Trains until the schedule or `stopAfter` ends the run. */
  train(options: ExplicitOptions, { team = new CountingTeam(), ...settings }: Settings = {}) {
    return countingRun({ folder: this.folder, lines: this.lines, options, team, ...settings }).outcome();
  }

  /** Continues from the last checkpoint. */
  resume(options: ExplicitOptions, settings: Omit<Settings, "resumePoint"> = {}) {
    return resumedCountingRun({ folder: this.folder, lines: this.lines, options, ...settings }).outcome();
  }

  /** The type and the step of each row of the metrics: `step 0`, `epoch 3`, … */
  get rows(): string[] {
    return readMetrics(this.folder.metrics).map((row) => `${row.type} ${row.step}`);
  }

  /** Names of the checkpoints. */
  get checkpoints(): string[] {
    return readdirSync(this.folder.checkpoints).sort();
  }

  /** Path of the checkpoint of `step` updates. */
  checkpoint(step: number): string {
    return join(this.folder.checkpoints, `step-${String(step).padStart(8, "0")}.safetensors`);
  }

  /** Path of the best checkpoint. */
  get best(): string {
    return join(this.folder.checkpoints, "best.safetensors");
  }

  /** The first of the final weights, which is the number of updates. */
  get weight(): number | undefined {
    return defined(readWeights(this.folder, "M").get("w")).data[0];
  }
}

/** The shared `test` with the fixture `run`: a run in an empty folder. */
export const test = base.extend("run", ({ folder }) => new RecordedRun(join(folder, "run")));
