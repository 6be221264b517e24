/**
 * `pnpm verify`: the same training with one worker and with several, each in fresh processes, compared.
 *
 * With --kill one of the several is killed in the middle: the others must go on as if nothing had been.
 * With fixed slices it demands equal bits of all weights. With free slices sums round differently: losses may differ
 * by 1e-4 · max(1, loss), and all weights by 1e-4 in relative L2 norm.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newRun } from "@lockstep/coordinator";
import { usableCores } from "@lockstep/engine/cores";
import { LockstepError } from "@lockstep/errors";
import {
  type Display,
  givenRunOptions,
  type MachineOptions,
  machineOptions,
  makeConfig,
  openRunFolder,
  type RunFolder,
  readMetrics,
  readWeights,
} from "@lockstep/run";
import type { LocalWorkers } from "../local-workers.ts";
import { trainTogether } from "./train-together.ts";

const DEFAULTS = { dataset: "shapes", maxSteps: "10", test: false, trainFraction: "1" };
/** Rounding needs some steps to show. */
const FREE_DEFAULTS = { ...DEFAULTS, maxSteps: "50" };
const SLICE_ROWS = 8;
/** How often the steps that are done are looked at, before one worker is killed. */
const WATCH_MS = 20;
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
  const dir = mkdtempSync(join(tmpdir(), "lockstep-verify-"));
  try {
    const [alone, together] = [join(dir, "alone"), join(dir, "together")];
    train([...wordsOf(given), ...wordsOf({ ...machine, threads, out: alone })]);
    const start = await newRun(config, together, silent.line);
    let killed = false;
    const onKilled = () => (killed = true);
    const onStarted = (started: LocalWorkers) =>
      void (kill && killInTheMiddle(started, workers - 1, start.folder, onKilled));
    await trainTogether(workers, start, { ...machine, threads }, { display: silent, onStarted });
    if (kill && !killed) {
      const text = "The training was over before a worker could be killed; give it more --max-steps";
      throw new LockstepError("ERR_VERIFY", `${text}.`);
    }
    const [one, several] = [readRun(alone), readRun(together)];
    console.log(tableOf(one, several, workers));
    judge(one, several, freeSlices);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const silent: Display = { isTerminal: false, line: () => {}, progress: () => {}, close: () => {} };

/** Kills a worker when half of the steps are done. */
function killInTheMiddle(
  workers: LocalWorkers,
  index: number,
  { config, metrics }: RunFolder,
  onKilled: () => void,
): void {
  const watch = setInterval(() => {
    if (!existsSync(config)) return;
    const { steps } = (JSON.parse(readFileSync(config, "utf8")) as { derived: { steps: number } }).derived;
    const done = readMetrics(metrics).filter(({ type }) => type === "step").length;
    if (done < steps / 2) return;
    clearInterval(watch);
    workers.kill(index);
    onKilled();
    console.log(`killed worker-${index} after ${done} of ${steps} steps`);
  }, WATCH_MS);
  void workers.ended.then(() => clearInterval(watch));
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

function train(words: string[]): void {
  const { status } = spawnSync(
    process.execPath,
    [...process.execArgv, process.argv[1]!, "train", "--no-dashboard", ...words],
    {
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  if (status !== 0)
    throw new LockstepError("ERR_VERIFY", `A training ended with status ${status}; its lines above tell why.`);
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
  const distance = Math.sqrt(squares / norm);
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
