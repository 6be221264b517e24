/** Reads the weights of an earlier run. */
import { existsSync } from "node:fs";
import { readSafetensors, type Weights } from "@lockstep/formats";
import { latestCheckpoint, MOMENTUM } from "./checkpoint.ts";
import { assertFinite } from "./finite-weights.ts";
import type { RunFolder } from "./run-folder.ts";

/** Returns the final weights of a run, or those of the last checkpoint of an unfinished run. */
export function readWeights(folder: RunFolder, modelName: string): Weights {
  const path = folder.weights(modelName);
  if (existsSync(path)) return readWeightsFile(path);
  const { tensors } = latestCheckpoint(folder.checkpoints, console.warn);
  return new Map(tensors.map(({ name, shape, weight }) => [name, { shape, data: weight }]));
}

/**
 * Reads the weights in a .safetensors file: a state dict, or a checkpoint without its momentum.
 *
 * @throws LockstepError ERR_SAFETENSORS, or ERR_WEIGHTS_NOT_FINITE that names the tensor
 */
export function readWeightsFile(path: string): Weights {
  const { tensors } = readSafetensors(path);
  const weights = new Map([...tensors].filter(([name]) => !name.startsWith(MOMENTUM)));
  assertFinite(path, weights);
  return weights;
}
