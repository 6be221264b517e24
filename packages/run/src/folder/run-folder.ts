/** The folder of a run: the paths of its files, and the lease that lets one process at a time write to it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { invocationFolder, shellWord } from "@lockstep/config";
import { LockstepError, messageOf } from "@lockstep/errors";
import {
  folderFault,
  hasCode,
  ignoreFileErrors,
  isSystemError,
  isTemporaryName,
  makeFolders,
  pathKind,
  removeIfPossible,
  whyNoFolder,
  writeSmallFile,
} from "@lockstep/files";
import { acquireLease, assertNoHolder, type Lease, LeaseWatch, realEnvironment } from "@lockstep/files/lease";

/** The paths of the files in a run's folder. */
export interface RunFolder {
  dir: string;
  /** Whether this process created the folder, or accepted an existing one, for a new run. */
  isNewRun: boolean;
  /** Whether this process created the folder itself. */
  isNewFolder: boolean;
  config: string;
  metrics: string;
  /** Folder of `step-<n>.safetensors` and `best.safetensors`. */
  checkpoints: string;
  /** Folder of `model.json` and its weights, for `tf.loadLayersModel`. */
  tfjs: string;
  /** Folder of the charts of loss, accuracy and confusion, each as .svg and .png. */
  charts: string;
  report: string;
  /** Trace of the last steps, for Perfetto. */
  trace: string;
  /** Folder of TensorBoard's event files. */
  events: string;
  /** Events of the run, such as joined workers and reassigned slices. */
  eventLog: string;
  /** The final weights under PyTorch's names: `<modelName>.safetensors`. */
  weights(modelName: string): string;
}

/**
 * Makes the folder of a new run.
 *
 * @param model a name that can be part of a folder's name
 * @param out the value of --out. @default `runs/<date>-<time>-<model>`, followed by -2, -3, … if that folder exists
 * @throws LockstepError ERR_RUN_EXISTS if `out` holds a run, ERR_NOT_WRITABLE if the folder cannot be created
 */
export function createRunFolder(out: string | undefined, model: string, now: Date): RunFolder {
  try {
    const isNewFolder = out === undefined || pathKind(out) === "nothing";
    const dir = out === undefined ? makeNewFolder(runsFolder(), `${stampOf(now)}-${model}`) : makeFolder(out);
    return { ...runFolder(dir), isNewRun: true, isNewFolder };
  } catch (cause) {
    if (cause instanceof LockstepError) throw cause;
    throw cannotCreate(out ?? runsFolder(), folderFault(out ?? runsFolder(), cause), cause);
  }
}

/**
 * Throws early if the folder of a new run cannot be created. Writes nothing that remains.
 *
 * @throws LockstepError ERR_RUN_EXISTS, ERR_RUN_BUSY or ERR_NOT_WRITABLE, as `createRunFolder` would later
 */
export function assertCanCreateRun(out: string | undefined): void {
  if (out !== undefined) assertNoRun(out);
  const dir = out ?? runsFolder();
  const reason = whyNoFolder(dir);
  if (reason !== undefined) throw cannotCreate(dir, reason);
}

function cannotCreate(dir: string, reason: string, cause?: unknown): LockstepError {
  const text = `Cannot create the run's folder ${resolve(dir)}: ${reason}. Choose another with --out.`;
  return new LockstepError("ERR_NOT_WRITABLE", text, { cause });
}

/**
 * Opens the folder of an existing run, for --resume and --run.
 *
 * @returns the folder, and the content of its config.json, which is parsed but not validated
 * @throws LockstepError ERR_NO_RUN if the folder has no config.json, ERR_RUN_FILE if that cannot be read or is damaged
 */
export function openRunFolder(dir: string): { folder: RunFolder; config: unknown } {
  const folder = runFolder(dir);
  if (existsSync(folder.config)) return { folder, config: readConfig(folder.config) };
  const text = `Expected the folder of a run at ${resolve(dir)}, but ${WHY_NO_RUN[pathKind(dir)]}.`;
  throw new LockstepError("ERR_NO_RUN", `${text} ${suggestion(dir)}`);
}

const WHY_NO_RUN = { nothing: "it does not exist", file: "it is a file", folder: "it has no config.json" };

function readConfig(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const reason = messageOf(cause);
    const text = isSystemError(cause)
      ? `${path} cannot be read (${reason}). Make it readable, or start a new run.`
      : `${path} is damaged (${reason}). Restore it from a backup, or start a new run, which --init-from can give the weights of a checkpoint.`;
    throw new LockstepError("ERR_RUN_FILE", text, { cause });
  }
}

/** Suggests the run that contains the given path, or the newest run in it. */
function suggestion(dir: string): string {
  const isRun = (path: string) => existsSync(join(path, "config.json"));
  const inside = pathKind(dir) === "folder" ? readdirSync(dir).map((name) => join(dir, name)) : [];
  const newest = inside.filter(isRun).sort().at(-1);
  const meant = isRun(dirname(dir)) ? dirname(dir) : newest;
  return meant === undefined
    ? "Give the folder that the run printed."
    : `Give the folder of one run, such as ${meant}.`;
}

/** Deletes the results of a finished run, before the run continues with more steps. */
export function removeResults(folder: RunFolder, modelName: string): void {
  for (const path of [folder.weights(modelName), folder.report, folder.tfjs, folder.charts, folder.trace]) {
    rmSync(path, { recursive: true, force: true });
  }
}

/**
 * Removes the temporary files that a killed process has left. Files of the user stay, whatever their names. Only the
 * holder of the lease may call this.
 */
export function removeTemporaries({ dir, checkpoints, charts }: RunFolder): void {
  for (const folder of [dir, checkpoints, charts].filter((path) => existsSync(path))) {
    for (const name of readdirSync(folder)) if (isTemporaryName(name)) rmSync(join(folder, name), { force: true });
  }
}

/**
 * Acquires the lease of a run's folder, which keeps other processes from writing to it. If it is unclear whether the
 * previous holder is alive, logs a line and waits until that is known.
 *
 * @throws LockstepError ERR_RUN_BUSY if another process holds the lease, ERR_RUN_EXISTS if another process has
 *   meanwhile started a run in the new folder
 */
export async function holdRunFolder(folder: RunFolder, log: (line: string) => void): Promise<Lease> {
  const { dir, isNewRun, config } = folder;
  const lease = await acquireLease(leaseFile(dir), dir, log);
  if (!isNewRun || !existsSync(config)) return lease;
  lease.release();
  throw runExists(dir);
}

/**
 * Releases the lease of a run's folder. If the run never started, also deletes its event log, and the folder if this
 * process created it and it is empty.
 */
export function releaseRunFolder({ dir, isNewRun, isNewFolder, config, eventLog }: RunFolder, lease: Lease): void {
  const neverStarted = isNewRun && !existsSync(config) && holdsLease(lease);
  if (neverStarted) removeIfPossible(eventLog);
  lease.release();
  if (neverStarted && isNewFolder) ignoreFileErrors(() => rmdirSync(dir));
}

/**
 * Returns whether this process still holds the lease, so that no other process can have started a run in the folder.
 */
function holdsLease(lease: Lease): boolean {
  try {
    lease.assertHeld();
    return true;
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    return false;
  }
}

/** Watches a run's folder. Returns a function that returns whether a process may be writing to the folder. */
export function watchRunFolder({ dir }: RunFolder): () => boolean {
  const watch = new LeaseWatch(leaseFile(dir), realEnvironment());
  return () => {
    try {
      return watch.observe().state !== "free";
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return true; // an unreadable lease does not prove that the folder is free
    }
  };
}

const leaseFile = (dir: string) => join(dir, "run.pid");

/**
 * Throws early if `--out` cannot be the folder of a new run.
 *
 * @throws LockstepError ERR_RUN_EXISTS if it holds a run, ERR_RUN_BUSY if a process is writing to that run,
 *   ERR_NOT_WRITABLE if it is a file
 */
function assertNoRun(out: string): void {
  if (pathKind(out) === "file") {
    const text = `Expected --out to be a folder for the run, but ${out} is a file; choose another.`;
    throw new LockstepError("ERR_NOT_WRITABLE", text);
  }
  if (!existsSync(join(out, "config.json"))) return;
  assertNoHolder(leaseFile(out), out);
  throw runExists(out);
}

function runExists(out: string): LockstepError {
  const text = `Expected --out to be a new folder, but ${out} holds a run. Continue it with --resume ${shellWord(out)}`;
  return new LockstepError("ERR_RUN_EXISTS", `${text}, or choose another --out.`);
}

/** Writes a value as indented JSON, atomically. */
export function writeJson(path: string, value: unknown): void {
  writeSmallFile(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

function runFolder(dir: string): RunFolder {
  return {
    dir,
    isNewRun: false,
    isNewFolder: false,
    config: join(dir, "config.json"),
    metrics: join(dir, "metrics.jsonl"),
    checkpoints: join(dir, "checkpoints"),
    tfjs: join(dir, "tfjs"),
    charts: join(dir, "charts"),
    report: join(dir, "report.json"),
    trace: join(dir, "trace.json"),
    events: join(dir, "events"),
    eventLog: join(dir, "events.jsonl"),
    weights: (modelName) => join(dir, `${modelName}.safetensors`),
  };
}

function makeFolder(out: string): string {
  assertNoRun(out);
  makeFolders(out);
  return out;
}

/** Returns the folder of all runs, as a path that is valid where the user typed the command. */
const runsFolder = () => (invocationFolder() === undefined ? "runs" : resolve("runs"));

/** Creates the first folder whose name is free. Concurrent runs get different folders, since `mkdirSync` is atomic. */
function makeNewFolder(runs: string, name: string): string {
  makeFolders(runs);
  for (let number = 1; ; number++) {
    const dir = join(runs, number === 1 ? name : `${name}-${number}`);
    try {
      mkdirSync(dir);
      return dir;
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
  }
}

/** Returns the local time as `2026-11-23-1930`. */
function stampOf(time: Date): string {
  const [month, day, hour, minute] = [time.getMonth() + 1, time.getDate(), time.getHours(), time.getMinutes()].map(
    (value) => String(value).padStart(2, "0"),
  );
  return `${time.getFullYear()}-${month}-${day}-${hour}${minute}`;
}
