/**
 * Writes a model in TensorFlow.js' own format, `model.json` and `weights.bin`, for `tf.loadLayersModel` in a browser or
 * on Node. Needs no TensorFlow.js: the topology comes from the process that built the model.
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
 * Writes `model.json` and `weights.bin`, with the content that `model.save` would write, into `dir`, and makes `dir` if
 * necessary. Both are first written into a temporary folder, so existing files in `dir` stay until these are complete.
 * model.json is moved last: if it is new, the weights are new too.
 *
 * @param stateDict exactly the model's weights, in PyTorch's layout
 * @param check receives the path of the temporary folder with both files; if it rejects, `dir` keeps its files
 * @throws LockstepError ERR_STATE_DICT that names each tensor that is missing, unexpected or of another size,
 *   ERR_DISK_FULL or ERR_NOT_WRITABLE, and the errors of `check`; nothing is written then
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

/** Yields the values of one weight after another, so that only one is copied at a time. */
function* weightBytes({ weights }: TfjsTopology, stateDict: Weights): Generator<Uint8Array> {
  for (const { stateDictName, axes } of weights) {
    const tensor = stateDict.get(stateDictName);
    if (tensor === undefined) continue; // never happens: `assertWeightsOf` has checked them all
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
      return [`${excerpt(stateDictName)} has ${elements} elements, expected ${elementCount(shape)}`];
    }),
    ...[...stateDict.keys()].filter((name) => !known.has(name)).map((name) => `${excerpt(name)} is unexpected`),
  ];
  if (faults.length === 0) return;
  throw new LockstepError(
    "ERR_STATE_DICT",
    `The weights do not match the model's topology:\n${faultLines(faults)}\n` +
      "Use weights and a topology from models with the same layers, classes and channels.",
  );
}
