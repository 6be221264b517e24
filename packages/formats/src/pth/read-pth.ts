/**
 * Reads a `.pth` file that `writePth` wrote, as `torch.load` does: it runs the pickle, a program that builds the state
 * dict. Only the opcodes and functions that `writePth` uses are known, so no other code can run.
 */

import { elementCount } from "../element-count.ts";
import type { Weights } from "../weights.ts";
import { readStoredZip } from "./read-zip.ts";
import { type PickleFunctions, unpickle } from "./unpickle.ts";

/** The items of a state dict's `OrderedDict`. */
type Items = [name: string, tensor: { shape: number[]; data: Float32Array }][];

/**
 * Returns the tensors by name, in the order of the file.
 *
 * @throws RangeError if the file was written by another program, or is damaged
 */
export function readPth(path: string): Weights {
  const entries = readStoredZip(path);
  const entry = (name: string) => {
    const bytes = entries.get(`archive/${name}`);
    if (bytes === undefined) throw new RangeError(`Expected an entry archive/${name}, got none.`);
    return bytes;
  };
  const storage = ([, , key]: unknown[]) => new Float32Array(entry(`data/${key}`).buffer);
  return new Map(unpickle(Buffer.from(entry("data.pkl")), FUNCTIONS, storage) as Items);
}

/** The functions that a pickle may call. */
const FUNCTIONS: PickleFunctions = {
  "collections OrderedDict": (): Items => [],
  "torch._utils _rebuild_tensor_v2": (storage: Float32Array, offset: number, shape: number[]) => ({
    shape,
    data: storage.subarray(offset, offset + elementCount(shape)),
  }),
};
