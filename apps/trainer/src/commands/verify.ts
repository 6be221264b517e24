/**
 * `pnpm verify`: the same training with one worker and with several, each in fresh processes, compared.
 *
 * With fixed slices it demands equal bits of all weights. With free slices sums round differently: losses may differ
 * by 1e-4 · max(1, loss), and all weights by 1e-4 in relative L2 norm.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import {
  givenRunOptions,
  type MachineOptions,
  machineOptions,
  makeConfig,
  openRunFolder,
  readMetrics,
  readWeights,
} from "@lockstep/run";

const DEFAULTS = { dataset: "shapes", maxSteps: "10", test: false, trainFraction: "1" };
const SLICE_ROWS = 8;
const TOLERANCE = 1e-4;

export interface VerifyOptions extends MachineOptions {
  workers: number;
  freeSlices?: boolean;
}

export function verify(options: VerifyOptions & Record<string, unknown>): void {
  const { workers, freeSlices = false } = options;
  if (workers < 2) throw new LockstepError("ERR_OPTION", `Expected --workers to be at least 2, got ${workers}.`);
  const given = { ...DEFAULTS, ...givenRunOptions(options), ...(freeSlices && { sliceRows: undefined }) };
  if (!freeSlices && given.sliceRows === undefined) given.sliceRows = String(SLICE_ROWS);
  // Also so that a wrong option is named before anything starts.
  if (makeConfig(given).wire !== "fp32") {
    throw new LockstepError("ERR_OPTION", "Expected --wire fp32 to verify, got bf16, which is lossy; leave it out.");
  }
  // Sums inside one operation may depend on its threads, so one worker gets as many as each of several.
  const { threads = Math.max(1, Math.floor(availableParallelism() / workers)), ...machine } = machineOptions(options);
  const dir = mkdtempSync(join(tmpdir(), "lockstep-verify-"));
  try {
    const runs = [1, workers].map((count) => {
      const out = join(dir, `workers-${count}`);
      train([...wordsOf(given), ...wordsOf({ ...machine, threads, workers: count, out })]);
      return readRun(out);
    });
    const [one, several] = runs as [Run, Run];
    console.log(tableOf(one, several, workers));
    judge(one, several, freeSlices);
  } finally {
    rmSync(dir, { recursive: true });
  }
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
  const { status } = spawnSync(process.execPath, [...process.execArgv, process.argv[1]!, "train", ...words], {
    stdio: ["ignore", "ignore", "inherit"],
  });
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
