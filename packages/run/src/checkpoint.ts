/**
 * Checkpoints: all that a run needs to go on as if it had not stopped. Each is one safetensors file,
 * `step-<updates made>.safetensors`, with each weight as `<name>`, its momentum as `momentum.<name>`, and the rest as
 * metadata. `best.safetensors` is a second name of the one with the best validation accuracy.
 */
import { copyFileSync, existsSync, linkSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { z } from "zod";
import type { ParameterState } from "./conduct.ts";
import { readSafetensors, type SafetensorsFile, writeSafetensors } from "./safetensors.ts";

export const MOMENTUM = "momentum.";

const progressSchema = z.strictObject({
  /** Sums over the samples of the unfinished epoch. */
  lossSum: z.number(),
  correct: z.int(),
  samples: z.int(),
  /** Updates made when an epoch was last ended with its validation. */
  endedSteps: z.int(),
  /** The best validation so far: the updates made by then, and its accuracy as a fraction. */
  best: z.strictObject({ step: z.int(), accuracy: z.number() }).optional(),
});

/** What the rows of an epoch under way, and the choice of the best checkpoint, go on from. */
export type CheckpointProgress = z.infer<typeof progressSchema>;

export interface Checkpoint {
  /** Updates made. */
  step: number;
  /** The epoch of the last update, counted from 1. */
  epoch: number;
  seed: number;
  progress: CheckpointProgress;
  tensors: ParameterState[];
}

const metadataSchema = z.object({
  step: z.coerce.number().int().nonnegative(),
  epoch: z.coerce.number().int().nonnegative(),
  seed: z.coerce.number().int().nonnegative(),
  progress: z.string().transform((json) => progressSchema.parse(JSON.parse(json))),
});

/**
 * Writes a checkpoint; when it is safe on the disk, names it the best if it is (`progress.best` is of its step), and
 * deletes the older ones but for the last `keep`. Later ones go too: the run left them behind when it was resumed; and
 * so do half-written ones that a kill left.
 *
 * @returns the file's path
 * @throws LockstepError ERR_DISK_FULL or ERR_NOT_WRITABLE; the older checkpoints are then still there
 */
export function saveCheckpoint(dir: string, checkpoint: Checkpoint, options: { keep: number }): string {
  const { step, epoch, seed, progress, tensors } = checkpoint;
  const path = pathOf(dir, step);
  const weights = tensors.map(({ name, shape, weight }) => ({ name, shape, data: weight }));
  const momentum = tensors.map(({ name, shape, velocity }) => ({ name: MOMENTUM + name, shape, data: velocity }));
  const metadata = { step: `${step}`, epoch: `${epoch}`, seed: `${seed}`, progress: JSON.stringify(progress) };
  writeSafetensors(path, [...weights, ...momentum], metadata);
  if (progress.best?.step === step) nameBest(dir, path);
  const steps = stepsIn(dir);
  const kept = new Set(steps.filter((other) => other <= step).slice(-options.keep));
  for (const other of steps.filter((other) => !kept.has(other))) rmSync(pathOf(dir, other));
  for (const name of readdirSync(dir)) if (name.endsWith(".tmp")) rmSync(join(dir, name));
  return path;
}

/**
 * The last checkpoint of a run. One that can't be read is passed over with a warning.
 *
 * @throws LockstepError ERR_NO_CHECKPOINT when there is none, or none that can be read
 */
export function latestCheckpoint(dir: string, warn: (message: string) => void): Checkpoint {
  const steps = stepsIn(dir).reverse();
  for (const step of steps) {
    try {
      return readCheckpoint(pathOf(dir, step));
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      warn(`${error.message} Trying the checkpoint before it.`);
    }
  }
  const found = steps.length === 0 ? "none" : `${steps.length}, none of which can be read`;
  const text = `Expected a checkpoint in ${dir}, found ${found}. Start a new run: this one has no state to go on from. If best.safetensors is there, --init-from can begin with its weights.`;
  throw new LockstepError("ERR_NO_CHECKPOINT", text);
}

/** The file of the newest checkpoint of fewer than `step` updates; undefined if there is none. */
export function checkpointBefore(dir: string, step: number): string | undefined {
  const last = stepsIn(dir).findLast((other) => other < step);
  return last === undefined ? undefined : pathOf(dir, last);
}

/** @throws LockstepError ERR_SAFETENSORS or ERR_CHECKPOINT */
export function readCheckpoint(path: string): Checkpoint {
  const { metadata, tensors } = readSafetensors(path);
  const parsed = parseMetadata(path, metadata);
  const names = [...tensors.keys()].filter((name) => !name.startsWith(MOMENTUM));
  if (names.length * 2 !== tensors.size) {
    const text = `${path}: expected as many momentum as weights`;
    throw new LockstepError("ERR_CHECKPOINT", `${text} (${names.length}), found ${tensors.size - names.length}.`);
  }
  return { ...parsed, tensors: names.map((name) => parameterState(path, name, tensors)) };
}

function parseMetadata(path: string, metadata: Record<string, string>): z.infer<typeof metadataSchema> {
  try {
    return metadataSchema.parse(metadata);
  } catch (cause) {
    const text = `${path}: expected metadata step, epoch, seed and progress, found ${JSON.stringify(metadata)}`;
    throw new LockstepError("ERR_CHECKPOINT", `${text}. Is it a checkpoint?`, { cause });
  }
}

function parameterState(path: string, name: string, tensors: SafetensorsFile["tensors"]): ParameterState {
  const weight = tensors.get(name)!;
  const momentum = tensors.get(MOMENTUM + name);
  if (momentum?.shape.join() !== weight.shape.join()) {
    const found = momentum === undefined ? "none" : `[${momentum.shape}]`;
    throw new LockstepError(
      "ERR_CHECKPOINT",
      `${path}: expected a momentum of "${name}" [${weight.shape}], found ${found}.`,
    );
  }
  return { name, shape: weight.shape, weight: weight.data, velocity: momentum.data };
}

/** Gives a checkpoint its second name, in one move; where the file system has no second names, a copy. */
function nameBest(dir: string, path: string): void {
  const best = join(dir, "best.safetensors");
  rmSync(`${best}.tmp`, { force: true });
  try {
    linkSync(path, `${best}.tmp`);
  } catch {
    copyFileSync(path, `${best}.tmp`);
  }
  renameSync(`${best}.tmp`, best);
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
