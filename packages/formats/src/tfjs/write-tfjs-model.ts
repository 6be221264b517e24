/**
 * `model.json` and `weights.bin`: a model in TensorFlow.js' own format, for `tf.loadLayersModel` in a browser or on
 * Node. They are written without TensorFlow.js, from a topology that was taken where the model was built.
 */
import { rmSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { excerpt, faultLines, LockstepError } from "@lockstep/errors";
import { explainWriteError, ignoreFileErrors, makeFolders, temporaryName } from "@lockstep/files";
import { elementCount } from "../element-count.ts";
import type { Weights } from "../weights.ts";
import { toTfOrder } from "./reverse-axes.ts";
import type { TfjsTopology } from "./topology.ts";

/**
 * Writes `model.json` and `weights.bin` into `dir`, which is made if it isn't there. They hold what `model.save` would
 * write. Both are written into a temporary folder first, so files that stood in `dir` before stay until these are whole.
 * model.json comes last, so where it is new, the weights are new, too.
 *
 * @param stateDict each weight in PyTorch's layout, and nothing else
 * @param check sees the temporary folder, with both files in it; if it rejects, `dir` keeps the files that it had
 * @throws LockstepError ERR_STATE_DICT that names each tensor that is missing, unexpected or of another size, ERR_DISK_FULL
 *   or ERR_NOT_WRITABLE, and what `check` does; nothing is written then
 */
export async function writeTfjsModel(
  dir: string,
  topology: TfjsTopology,
  stateDict: Weights,
  check?: (folder: string) => Promise<void>,
): Promise<void> {
  assertWeightsOf(topology, stateDict);
  const { weights, ...description } = topology;
  const manifest = weights.map(({ name, shape, dtype }) => ({ name, shape, dtype }));
  const weightsManifest = [{ paths: ["weights.bin"], weights: manifest }];
  const json = JSON.stringify({ ...description, weightsManifest });
  const temporary = temporaryName(join(dir, "model"));
  try {
    makeFolders(temporary);
    await writeFile(join(temporary, "weights.bin"), weightBytes(topology, stateDict));
    await writeFile(join(temporary, "model.json"), json);
    await check?.(temporary);
    for (const name of ["weights.bin", "model.json"]) await rename(join(temporary, name), join(dir, name));
  } catch (error) {
    const elements = weights.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    throw explainWriteError(join(dir, "weights.bin"), elements * Float32Array.BYTES_PER_ELEMENT + json.length, error);
  } finally {
    ignoreFileErrors(() => rmSync(temporary, { recursive: true, force: true }));
  }
}

/** Gives the values of one weight after the other, so that only one is copied at a time. */
function* weightBytes({ weights }: TfjsTopology, stateDict: Weights): Generator<Uint8Array> {
  for (const { stateDictName, axes } of weights) {
    const tensor = stateDict.get(stateDictName);
    if (tensor === undefined) continue; // never: `assertWeightsOf` has found them all
    const values = axes === undefined ? tensor.data : toTfOrder(tensor.data, axes);
    yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }
}

function assertWeightsOf({ weights }: TfjsTopology, stateDict: Weights): void {
  const known = new Set(weights.map(({ stateDictName }) => stateDictName));
  const faults = [
    ...weights.flatMap(({ stateDictName, shape }) => {
      const elements = stateDict.get(stateDictName)?.data.length;
      if (elements === undefined) return [`${excerpt(stateDictName)} is missing`];
      if (elements === elementCount(shape)) return [];
      return [`${excerpt(stateDictName)} has ${elements} numbers, expected ${elementCount(shape)}`];
    }),
    ...[...stateDict.keys()].filter((name) => !known.has(name)).map((name) => `${excerpt(name)} is unexpected`),
  ];
  if (faults.length === 0) return;
  throw new LockstepError(
    "ERR_STATE_DICT",
    `These weights are not those of the model's topology:\n${faultLines(faults)}\n` +
      "Take both from a model with the same layers, classes and channels.",
  );
}
