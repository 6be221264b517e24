/**
 * Checkpoints: everything that a run needs to continue as if it had not stopped. Each is one safetensors file,
 * `step-<updates made>.safetensors`, with each weight as `<name>`, its momentum as `momentum.<name>`, and the rest as
 * metadata. `best.safetensors` is a hard link to the one with the best validation accuracy.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { copyFile, link, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { defined, excerpt, excerptOf, LockstepError } from "@lockstep/errors";
import { explainWriteError, isTemporaryName, temporaryName } from "@lockstep/files";
import type { Lease } from "@lockstep/files/lease";
import { readSafetensors, readSafetensorsMetadata, type SafetensorsFile, writeSafetensors } from "@lockstep/formats";
import { z } from "zod";
import type { ParameterState } from "../team.ts";
import { assertFinite } from "./finite-weights.ts";
import { type Best, type CheckpointProgress, progressSchema } from "./progress.ts";

/** Prefix of the names of momentum tensors; the name of the weight follows. */
export const MOMENTUM = "momentum.";
const BEST = "best.safetensors";

/** The state from which a run continues. */
export interface Checkpoint {
  /** Updates made. */
  step: number;
  /** The epoch of the last update, counted from 1. */
  epoch: number;
  seed: number;
  progress: CheckpointProgress;
  tensors: ParameterState[];
}

/** Settings of `saveCheckpoint`. */
export interface SaveOptions {
  /** Number of checkpoints to keep, besides the best. */
  keep: number;
  /** Lease of the folder. @default none */
  lease?: Pick<Lease, "assertHeld"> | undefined;
}

const metadataSchema = z.object({
  step: z.coerce.number().int().nonnegative(),
  epoch: z.coerce.number().int().nonnegative(),
  seed: z.coerce.number().int().nonnegative(),
  progress: z.string().transform((json) => progressSchema.parse(JSON.parse(json))),
});

/**
 * Writes a checkpoint; only one may be written at a time. Once it is on disk, links it as the best if `progress.best`
 * is of its step, and deletes all older checkpoints but the last `keep`, later ones (left from before a resume), and
 * temporary files (left by a killed process).
 *
 * @returns the file's path
 * @throws LockstepError ERR_DISK_FULL, ERR_NOT_WRITABLE or ERR_RUN_TAKEN; the older checkpoints then remain
 */
export async function saveCheckpoint(dir: string, checkpoint: Checkpoint, options: SaveOptions): Promise<string> {
  const { step, epoch, seed, progress, tensors } = checkpoint;
  const path = pathOf(dir, step);
  const weights = tensors.map(({ name, shape, weight }) => ({ name, shape, data: weight }));
  const momentum = tensors.map(({ name, shape, velocity }) => ({ name: MOMENTUM + name, shape, data: velocity }));
  const metadata = { step: `${step}`, epoch: `${epoch}`, seed: `${seed}`, progress: JSON.stringify(progress) };
  await writeSafetensors(path, [...weights, ...momentum], metadata);
  options.lease?.assertHeld(); // without the lease, later checkpoints belong to its holder
  try {
    if (progress.best?.step === step) await nameBest(dir, path);
    await removeOthers(dir, step, options.keep);
  } catch (error) {
    throw explainWriteError(path, statSync(path, { throwIfNoEntry: false })?.size ?? 0, error);
  }
  return path;
}

/**
 * Returns the last checkpoint of a run; undefined if none was written yet.
 *
 * @throws LockstepError ERR_NO_CHECKPOINT if none of them can be read
 */
export function lastCheckpoint(dir: string, warn: (message: string) => void): Checkpoint | undefined {
  return stepsIn(dir).length === 0 ? undefined : latestCheckpoint(dir, warn);
}

/**
 * Returns the last checkpoint of a run. Skips, with a warning, one that can't be read or holds NaN or infinity.
 *
 * @throws LockstepError ERR_NO_CHECKPOINT if there is none, or none that can be read
 */
export function latestCheckpoint(dir: string, warn: (message: string) => void): Checkpoint {
  const steps = stepsIn(dir).reverse();
  for (const step of steps) {
    try {
      const path = pathOf(dir, step);
      const checkpoint = readCheckpoint(path);
      assertFinite(path, numbersOf(checkpoint));
      return checkpoint;
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      warn(`${error.message} Trying the checkpoint before it.`);
    }
  }
  const found = steps.length === 0 ? "none" : `${steps.length}, none of which can be read`;
  const text = `Expected a checkpoint in ${dir}, found ${found}. Start a new run: this one has no state to continue from. If best.safetensors exists, --init-from can load its weights.`;
  throw new LockstepError("ERR_NO_CHECKPOINT", text);
}

function numbersOf({ tensors }: Checkpoint): Map<string, { shape: readonly number[]; data: Float32Array }> {
  return new Map(
    tensors.flatMap(({ name, shape, weight, velocity }) => [
      [name, { shape, data: weight }],
      [MOMENTUM + name, { shape, data: velocity }],
    ]),
  );
}

/** Returns the file of the newest checkpoint of fewer than `step` updates; undefined if there is none. */
export function checkpointBefore(dir: string, step: number): string | undefined {
  const last = stepsIn(dir).findLast((other) => other < step);
  return last === undefined ? undefined : pathOf(dir, last);
}

/** Returns whether there is a checkpoint of `step` updates. */
export function hasCheckpoint(dir: string, step: number): boolean {
  return existsSync(pathOf(dir, step));
}

/** Returns the validation of the best checkpoint; undefined if there is none that can be read. */
export function savedBest(dir: string): Best | undefined {
  const path = join(dir, BEST);
  try {
    return parseMetadata(path, readSafetensorsMetadata(path)).progress.best;
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    return undefined;
  }
}

/** Reads a checkpoint. @throws LockstepError ERR_SAFETENSORS or ERR_CHECKPOINT */
export function readCheckpoint(path: string): Checkpoint {
  const { metadata, tensors } = readSafetensors(path);
  const parsed = parseMetadata(path, metadata);
  const names = [...tensors.keys()].filter((name) => !name.startsWith(MOMENTUM));
  if (names.length * 2 !== tensors.size) {
    const text = `${path}: expected as many momentum tensors as weights`;
    throw new LockstepError("ERR_CHECKPOINT", `${text} (${names.length}), found ${tensors.size - names.length}.`);
  }
  return { ...parsed, tensors: names.map((name) => parameterState(path, name, tensors)) };
}

function parseMetadata(path: string, metadata: Record<string, string>): z.infer<typeof metadataSchema> {
  try {
    return metadataSchema.parse(metadata);
  } catch (cause) {
    const text = `${path}: expected metadata step, epoch, seed and progress, found ${excerptOf(metadata)}`;
    throw new LockstepError("ERR_CHECKPOINT", `${text}. Is it a checkpoint?`, { cause });
  }
}

function parameterState(path: string, name: string, tensors: SafetensorsFile["tensors"]): ParameterState {
  const weight = defined(tensors.get(name), name);
  const momentum = tensors.get(MOMENTUM + name);
  if (momentum?.shape.join() !== weight.shape.join()) {
    const found = momentum === undefined ? "none" : `[${excerpt(String(momentum.shape))}]`;
    throw new LockstepError(
      "ERR_CHECKPOINT",
      `${path}: expected the momentum of "${excerpt(name)}" [${excerpt(String(weight.shape))}], found ${found}.`,
    );
  }
  return { name, shape: weight.shape, weight: weight.data, velocity: momentum.data };
}

/** Links a checkpoint as the best, atomically; copies it on file systems without hard links. */
async function nameBest(dir: string, path: string): Promise<void> {
  const temporary = temporaryName(join(dir, BEST));
  await link(path, temporary).catch(() => copyFile(path, temporary));
  await rename(temporary, join(dir, BEST));
}

async function removeOthers(dir: string, step: number, keep: number): Promise<void> {
  const steps = stepsIn(dir);
  const retained = new Set(steps.filter((other) => other <= step).slice(-keep));
  for (const other of steps.filter((other) => !retained.has(other))) await rm(pathOf(dir, other));
  for (const name of readdirSync(dir)) if (isTemporaryName(name)) await rm(join(dir, name));
}

/** The steps of the checkpoints in a folder, in ascending order. */
function stepsIn(dir: string): number[] {
  const names = existsSync(dir) ? readdirSync(dir) : [];
  const steps = names.flatMap((name) => /^step-(\d+)\.safetensors$/.exec(name)?.[1] ?? []).map(Number);
  return steps.sort((a, b) => a - b);
}

function pathOf(dir: string, step: number): string {
  return join(dir, `step-${String(step).padStart(8, "0")}.safetensors`);
}
