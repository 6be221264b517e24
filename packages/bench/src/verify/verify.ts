/**
 * `pnpm verify`: the same training with one worker and with several, each in fresh processes, compared.
 *
 * With --kill one of the workers is killed halfway, which must not change the result. With fixed slices all weights
 * must be equal to the bit. With free slices sums round differently: losses may differ by 1e-4 · max(1, loss), and all
 * weights by 1e-4 in relative L2 norm.
 */
import { join } from "node:path";
import type { MachineOptions, RunConfig } from "@lockstep/config";
import type { VerifyOptions } from "@lockstep/config/programs";
import { LockstepError } from "@lockstep/errors";
import { type Display, displayOn } from "@lockstep/run";
import type { LiveRun } from "@lockstep/run/live";
import { temporaryDir, withCleanup } from "../cleanup.ts";
import { compareRuns, lossTable, verdictOf } from "./comparison.ts";
import { trainAlone } from "./train-alone.ts";
import { readTrainedRun } from "./trained-run.ts";
import { verifiedTraining } from "./verify-options.ts";
import { VerifyReport } from "./verify-report.ts";

/** A training with several workers. */
export interface TeamTraining {
  workers: number;
  config: RunConfig;
  /** Run folder to write. */
  out: string;
  machine: MachineOptions;
  /** Receives the progress. Everything else that the run prints is left out. */
  display: Display;
  /** Receives the worker processes and the live state of the run. */
  onStarted(processes: { kill(index: number): void }, live: LiveRun): void;
}

/** The program that has the command `verify`. */
export interface VerifyProgram {
  /** Path of the program. Its command `train` trains with one worker. */
  path: string;
  trainTogether(training: TeamTraining): Promise<void>;
}

/**
 * Trains twice, and prints the engine, a line for each run, both losses and the verdict.
 *
 * @throws LockstepError ERR_OPTION, or ERR_VERIFY if the runs differ or a training fails
 */
export async function verify(
  options: VerifyOptions & Record<string, unknown>,
  { path, trainTogether }: VerifyProgram,
): Promise<void> {
  const { workers, freeSlices = false, kill = false } = options;
  const { runOptions, config, machine } = verifiedTraining(options);
  await withCleanup(async (cleanup) => {
    const { dir } = temporaryDir(cleanup);
    const [alone, together] = [join(dir, "alone"), join(dir, "together")];
    const report = new VerifyReport(displayOn(process.stdout, "text"));
    cleanup.add(() => report.close());
    report.line("training with 1 worker");
    const trainOptions = { ...runOptions, ...machine, out: alone };
    await trainAlone({ program: path, options: trainOptions, onLine: (line) => report.childLine(line) }, cleanup);
    report.line(`training with ${workers} workers`);
    const victim = new Victim(workers - 1);
    const onStarted: TeamTraining["onStarted"] = (processes, live) => {
      if (kill) victim.killHalfway(processes, live, (line) => report.line(line));
    };
    await trainTogether({ workers, config, out: together, machine, display: report.progressDisplay, onStarted });
    report.close();
    if (kill) victim.assertKilled();
    const [one, several] = [readTrainedRun(alone), readTrainedRun(together)];
    console.log(lossTable(one, several, workers));
    console.log(verdictOf(compareRuns(one, several), freeSlices));
  });
}

/** The worker that is killed halfway through the run. */
class Victim {
  readonly #index: number;
  #killed = false;

  constructor(index: number) {
    this.#index = index;
  }

  /** Kills the worker after half of the run's steps. */
  killHalfway(processes: { kill(index: number): void }, live: LiveRun, print: (line: string) => void): void {
    const unsubscribe = live.subscribe(() => {
      const { run, stepsDone } = live.snapshot();
      if (run === undefined || stepsDone < run.derived.steps / 2) return;
      unsubscribe();
      processes.kill(this.#index);
      this.#killed = true;
      print(`killed worker-${this.#index} after ${stepsDone} of ${run.derived.steps} steps`);
    });
  }

  /** Throws if no worker was killed. @throws LockstepError ERR_VERIFY */
  assertKilled(): void {
    if (this.#killed) return;
    const text = "The training ended before a worker could be killed. Increase --max-steps";
    throw new LockstepError("ERR_VERIFY", `${text}.`);
  }
}
