/**
 * `pnpm verify`: the same training with one worker and with several, each in fresh processes, compared.
 *
 * With --kill one of the several is killed in the middle: the others must go on as if nothing had been.
 * With fixed slices it demands equal bits of all weights. With free slices sums round differently: losses may differ
 * by 1e-4 · max(1, loss), and all weights by 1e-4 in relative L2 norm.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { type Cleanup, temporaryDir, withCleanup } from "@lockstep/bench";
import { givenRunOptions, type MachineOptions, machineOptions, makeConfig } from "@lockstep/config";
import { newRun } from "@lockstep/coordinator";
import { usableCores } from "@lockstep/engine/cores";
import { LockstepError } from "@lockstep/errors";
import { type Display, openRunFolder, readMetrics, readWeights } from "@lockstep/run";
import type { LiveRun } from "@lockstep/run/live";
import type { LocalWorkers } from "@lockstep/worker";
import { trainTogether } from "./train-together.ts";

const DEFAULTS = { dataset: "shapes", maxSteps: "10", test: false, trainFraction: "1" };
/** Rounding needs some steps to show. */
const FREE_DEFAULTS = { ...DEFAULTS, maxSteps: "50" };
const SLICE_ROWS = 8;
const TOLERANCE = 1e-4;

export interface VerifyOptions extends MachineOptions {
  workers: number;
  freeSlices?: boolean;
  /** Kill one of the several in the middle. */
  kill?: boolean;
}

export async function verify(options: VerifyOptions & Record<string, unknown>): Promise<void> {
  const { workers, freeSlices = false, kill = false } = options;
  if (workers < 2) throw new LockstepError("ERR_OPTION", `Expected --workers to be at least 2, got ${workers}.`);
  const defaults = freeSlices ? FREE_DEFAULTS : DEFAULTS;
  const given = { ...defaults, ...givenRunOptions(options), ...(freeSlices && { sliceRows: undefined }) };
  if (!freeSlices && given.sliceRows === undefined) given.sliceRows = String(SLICE_ROWS);
  const config = makeConfig(given); // also so that a wrong option is named before anything starts
  if (config.wire !== "fp32") {
    throw new LockstepError("ERR_OPTION", "Expected --wire fp32 to verify, got bf16, which is lossy; leave it out.");
  }
  // Sums inside one operation may depend on its threads, so one worker gets as many as each of several.
  const { threads = Math.max(1, Math.floor(usableCores().usable / workers)), ...machine } = machineOptions(options);
  await withCleanup(async (cleanup) => {
    const { dir } = temporaryDir(cleanup);
    const [alone, together] = [join(dir, "alone"), join(dir, "together")];
    await train([...wordsOf(given), ...wordsOf({ ...machine, threads, out: alone })], cleanup);
    const start = await newRun(config, together, silent.line);
    let killed = false;
    const onStarted = (started: LocalWorkers, live: LiveRun) => {
      if (!kill) return;
      afterHalf(live, (stepsDone, steps) => {
        started.kill(workers - 1);
        killed = true;
        console.log(`killed worker-${workers - 1} after ${stepsDone} of ${steps} steps`);
      });
    };
    await trainTogether(workers, start, { ...machine, threads }, { display: silent, onStarted });
    if (kill && !killed) {
      const text = "The training was over before a worker could be killed; give it more --max-steps";
      throw new LockstepError("ERR_VERIFY", `${text}.`);
    }
    const [one, several] = [readRun(alone), readRun(together)];
    console.log(tableOf(one, several, workers));
    judge(one, several, freeSlices);
  });
}

const silent: Display = { isTerminal: false, line: () => {}, progress: () => {}, close: () => {} };

/** Calls `act` when half of the run's steps are done, with how many are, of how many. */
function afterHalf(live: LiveRun, act: (stepsDone: number, steps: number) => void): void {
  const unsubscribe = live.subscribe(() => {
    const { run, stepsDone } = live.snapshot();
    if (run === undefined || stepsDone < run.derived.steps / 2) return;
    unsubscribe();
    act(stepsDone, run.derived.steps);
  });
}

interface Run {
  losses: number[];
  weights: Map<string, { data: Float32Array }>;
}

function readRun(dir: string): Run {
  const { folder, config } = openRunFolder(dir);
  const { modelName } = (config as { derived: { modelName: string } }).derived;
  const losses = readMetrics(folder.metrics).flatMap((row) => (row.type === "step" ? [row.loss] : []));
  return { losses, weights: readWeights(folder, modelName) };
}

/** `{ maxSteps: "10", test: false }` → `--max-steps 10 --no-test` */
function wordsOf(options: Record<string, unknown>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (value === false) return [dashed(name).replace("--", "--no-")];
    return value === true ? [dashed(name)] : [dashed(name), String(value)];
  });
}

const dashed = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Trains in a process of its own, which ends with this one at the latest. */
async function train(words: string[], cleanup: Cleanup): Promise<void> {
  const program = [...process.execArgv, process.argv[1]!, "train", "--no-dashboard", ...words];
  const child = spawn(process.execPath, program, { stdio: ["ignore", "ignore", "inherit"] });
  cleanup.add(() => child.kill("SIGKILL"));
  await new Promise<void>((resolve, reject) => {
    const fail = (how: string) => reject(new LockstepError("ERR_VERIFY", `A training ${how}.`));
    child.on("error", ({ message }) => fail(`could not be started: ${message}`));
    child.on("exit", (status, signal) => {
      if (status === 0) resolve();
      else fail(`ended with ${signal ?? `status ${status}`}; its lines above tell why`);
    });
  });
}

function tableOf(one: Run, several: Run, workers: number): string {
  const rows = one.losses.map((loss, step) => {
    const other = several.losses[step]!;
    const difference = Math.abs(loss - other);
    return `${String(step).padStart(4)}  ${loss.toFixed(9).padStart(14)}  ${other.toFixed(9).padStart(14)}  ${difference === 0 ? "equal" : difference.toExponential(1)}`;
  });
  return [`step        1 worker  ${`${workers} workers`.padStart(14)}  difference`, ...rows].join("\n");
}

function judge(one: Run, several: Run, freeSlices: boolean): void {
  let squares = 0;
  let norm = 0;
  let unequal = 0;
  for (const [name, { data }] of one.weights) {
    const other = several.weights.get(name)!.data;
    for (const [i, value] of data.entries()) {
      squares += (value - other[i]!) ** 2;
      norm += value ** 2;
      if (!Object.is(value, other[i])) unequal++;
    }
  }
  const distance = squares === 0 ? 0 : Math.sqrt(squares / norm);
  const lossesFit =
    one.losses.length === several.losses.length &&
    one.losses.every((loss, step) => Math.abs(loss - several.losses[step]!) <= TOLERANCE * Math.max(1, loss));
  const holds = freeSlices ? lossesFit && distance <= TOLERANCE : unequal === 0;
  const found = `${unequal} weights differ, relative L2 distance ${distance.toExponential(1)}`;
  if (!holds)
    throw new LockstepError(
      "ERR_VERIFY",
      `The workers do not give what one gives: ${found}. Please report this with the command.`,
    );
  console.log(
    unequal === 0 ? "verified: all weights are equal, bit for bit" : `verified within ${TOLERANCE}: ${found}`,
  );
}
