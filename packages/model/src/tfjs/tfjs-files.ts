/**
 * `model.json` and `weights.bin`: a model in TensorFlow.js' own format, for `tf.loadLayersModel` in a browser or on
 * Node. They are written without TensorFlow.js, from a topology that `tfjsTopologyOf` took where the model was built.
 */
import { rmSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { excerpt, faultLines, LockstepError } from "@lockstep/errors";
import { explainWriteError, makeFolders, temporaryName, unlessRefused } from "@lockstep/files";
import { z } from "zod";
import { elementCount } from "../layers/layers.ts";
import { toTfOrder } from "../weights/reverse-axes.ts";
import type { StateTensor } from "../weights/state-tensors.ts";

const count = z.int().nonnegative();
/** Objects and arrays inside one another; a model inside a model takes four. */
const MAX_DEPTH = 256;

const weightSchema = z
  .strictObject({
    /** TensorFlow.js' name, by which the layer finds it: "conv1/kernel". */
    name: z.string(),
    /** In TensorFlow.js' layout. */
    shape: z.array(count),
    /** Weights are trained, and travel, in this type alone. */
    dtype: z.literal("float32"),
    /** "conv1.0.weight" */
    stateDictName: z.string(),
    /** [positions, inputs, outputs], see `KernelAxes`; absent where PyTorch's layout is the same. */
    axes: z.tuple([count, count, count]).optional(),
  })
  .refine(
    ({ shape, axes = shape }) => elementCount(axes) === elementCount(shape),
    "the axes are not those of the shape",
  );

/** Checks a topology that came as JSON. */
export const tfjsTopologySchema = z.strictObject({
  /** The layers and how they are connected, as `model.toJSON()` has them. */
  modelTopology: z
    .record(z.string(), z.unknown())
    .refine((topology) => isShallow(topology), `expected at most ${MAX_DEPTH} levels of nesting`),
  format: z.string(),
  generatedBy: z.string(),
  convertedBy: z.string().nullable(),
  /** In the order of weights.bin. */
  weights: z.array(weightSchema),
});

/** All that the files of a model hold, except for the numbers. Plain JSON. */
export type TfjsTopology = z.infer<typeof tfjsTopologySchema>;

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
  stateDict: ReadonlyMap<string, StateTensor>,
  check?: (folder: string) => Promise<void>,
): Promise<void> {
  expectWeightsOf(topology, stateDict);
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
    unlessRefused(() => rmSync(temporary, { recursive: true, force: true }));
  }
}

/** The values of one weight after the other, so that only one is copied at a time. */
function* weightBytes({ weights }: TfjsTopology, stateDict: ReadonlyMap<string, StateTensor>): Generator<Uint8Array> {
  for (const { stateDictName, axes } of weights) {
    const { data } = stateDict.get(stateDictName)!;
    const values = axes === undefined ? data : toTfOrder(data, axes);
    yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }
}

/** What a peer sent may be nested so deeply that whoever walks through it runs out of stack; no model is. */
function isShallow(value: unknown, depth = 0): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth < MAX_DEPTH && Object.values(value).every((inner) => isShallow(inner, depth + 1));
}

function expectWeightsOf({ weights }: TfjsTopology, stateDict: ReadonlyMap<string, StateTensor>): void {
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
