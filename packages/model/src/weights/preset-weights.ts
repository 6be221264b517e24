/** Reads the weights that the user's module has set, before a replica replaces them. */

import { createHash } from "node:crypto";
import { readBack, type tf } from "@lockstep/engine";
import { drawsAtRandom } from "./random-initializers.ts";
import { isKernel, isTorchBias } from "./weight-roles.ts";
import { weightShape } from "./weight-shape.ts";
import { type Initializer, isWritten, weightSource } from "./weight-sources.ts";

/** The weights of a model that are known before any are drawn. */
export interface PresetWeights {
  /** Values that the module loaded or set, by the weight's index in `model.trainableWeights`. */
  written: ReadonlyMap<number, Float32Array>;
  /** Values of deterministic initializers (`ones`), for weights that no rule of `--init` draws. */
  constant: ReadonlyMap<number, Float32Array>;
}

/** Reads the preset weights. A weight that is neither written nor constant is in none of the maps. */
export async function readPresetWeights(model: tf.LayersModel): Promise<PresetWeights> {
  const written = new Map<number, Float32Array>();
  const constant = new Map<number, Float32Array>();
  for (const [index, weight] of model.trainableWeights.entries()) {
    if (isWritten(weight)) written.set(index, (await readBack(weight.read())).slice());
    if (isKernel(weight) || isTorchBias(weight)) continue;
    const values = await constantOf(weight);
    if (values !== undefined) constant.set(index, values);
  }
  return { written, constant };
}

/**
 * Returns the values of a deterministic initializer. Without an initializer, a weight of equal
 * values counts as constant.
 */
async function constantOf(weight: tf.LayerVariable): Promise<Float32Array | undefined> {
  const source = weightSource(weight);
  if (source === undefined) {
    const values = (await readBack(weight.read())).slice();
    return new Set(values).size === 1 ? values : undefined;
  }
  if (drawsAtRandom(source.initializer)) return undefined;
  const shape = weightShape(weight);
  const [once, again] = [await apply(source.initializer, shape), await apply(source.initializer, shape)];
  return once.every((value, i) => Object.is(value, again[i])) ? once : undefined;
}

async function apply(initializer: Initializer, shape: number[]): Promise<Float32Array> {
  const tensor = initializer.apply(shape, "float32");
  const values = (await readBack(tensor)).slice();
  tensor.dispose();
  return values;
}

/** Facts about preset weights, which all workers must share and which the user sees. */
export interface PresetWeightsFacts {
  /** Number of weights that the module loaded or set, whether or not the run starts with them. */
  written: number;
  /** SHA-256, in hex, of the weights that the run takes from the model as they are; "" if it takes none. */
  digest: string;
}

/**
 * Returns the facts about the preset weights that a run uses.
 *
 * @param options the run's options: `init` draws written weights again, and `initFrom` replaces all weights
 * @returns undefined for a model without preset weights
 */
export function presetWeightsFacts(
  { written, constant }: PresetWeights,
  { init, initFrom }: { init?: string | undefined; initFrom?: string | undefined },
): PresetWeightsFacts | undefined {
  const used = initFrom !== undefined ? [] : [...constant, ...(init === undefined ? written : [])];
  if (used.length === 0 && written.size === 0) return undefined;
  return { written: written.size, digest: digestOf(new Map(used)) };
}

function digestOf(weights: ReadonlyMap<number, Float32Array>): string {
  if (weights.size === 0) return "";
  const hash = createHash("sha256");
  for (const [index, values] of [...weights].sort(([a], [b]) => a - b)) {
    hash
      .update(`${index}:${values.length}:`)
      .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest("hex");
}
