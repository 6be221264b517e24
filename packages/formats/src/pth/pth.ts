/**
 * Writes PyTorch's own file format, from which `torch.load(path, weights_only=True)` returns an OrderedDict of float32
 * tensors: a zip archive with one file of raw data for each tensor, and a pickle that rebuilds them.
 *
 * Sources: torch/serialization.py (names and order of the entries), Python's pickletools.py (the opcodes).
 */

import { writeFileAtomically } from "@lockstep/files";
import { elementCount } from "../element-count.ts";
import type { NamedTensor } from "../safetensors/safetensors.ts";
import { storedZip } from "./stored-zip.ts";

/** Alignment of each tensor's data, as in PyTorch's own files, which `mmap=True` needs. */
const ALIGN_BYTES = 64;

/**
 * Writes named tensors in order.
 *
 * @param check see `writeFileAtomically`
 * @throws LockstepError ERR_ZIP_TOO_LARGE beyond 4 GiB, ERR_DISK_FULL or ERR_NOT_WRITABLE, and the errors of `check`
 */
export async function writePth(
  path: string,
  tensors: readonly NamedTensor[],
  check?: (temporary: string) => Promise<void>,
): Promise<void> {
  const storages = tensors.map(({ data }, i) => ({
    name: `archive/data/${i}`,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }));
  const entries = [
    { name: "archive/data.pkl", data: pickleStateDict(tensors) },
    { name: "archive/byteorder", data: Buffer.from("little") },
    ...storages,
    { name: "archive/version", data: Buffer.from("3\n") },
  ];
  await writeFileAtomically(path, storedZip(entries, ALIGN_BYTES), check);
}

// Opcodes of pickle's protocol 2. A pickle is a program for a stack machine; MARK marks a position on its stack.
const PROTO = Buffer.of(0x80, 2); // a version number follows
const MARK = Buffer.from("(");
const TUPLE = Buffer.from("t"); // collects the values above the mark into a tuple
const EMPTY_TUPLE = Buffer.from(")");
const REDUCE = Buffer.from("R"); // calls the function below the topmost tuple with that tuple
const SET_ITEMS = Buffer.from("u"); // adds the keys and values above the mark to the dict below it
const PERSISTENT_ID = Buffer.from("Q"); // asks the loader for the object with the id on top, which is a storage here
const FALSE = Buffer.of(0x89);
const STOP = Buffer.from(".");

/** Pickles `OrderedDict([(name, tensor), …])`. */
function pickleStateDict(tensors: readonly NamedTensor[]): Uint8Array {
  const items = tensors.flatMap(({ name, shape, data }, i) => [text(name), ...tensor(i, shape, data.length)]);
  return Buffer.concat([PROTO, ...emptyOrderedDict(), MARK, ...items, SET_ITEMS, STOP]);
}

/** Pickles `torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks)` */
function tensor(index: number, shape: readonly number[], elements: number): Buffer[] {
  const storage = tuple(text("storage"), global("torch", "FloatStorage"), text(`${index}`), text("cpu"), int(elements));
  const size = tuple(...shape.map(int));
  const stride = tuple(...rowMajorStrides(shape).map(int));
  const parameters = [...storage, PERSISTENT_ID, int(0), ...size, ...stride, FALSE, ...emptyOrderedDict()];
  return [global("torch._utils", "_rebuild_tensor_v2"), ...tuple(...parameters), REDUCE];
}

function emptyOrderedDict(): Buffer[] {
  return [global("collections", "OrderedDict"), EMPTY_TUPLE, REDUCE];
}

function tuple(...items: Buffer[]): Buffer[] {
  return [MARK, ...items, TUPLE];
}

/** GLOBAL: pushes a function or class, by module and name. */
function global(module: string, name: string): Buffer {
  return Buffer.from(`c${module}\n${name}\n`);
}

/** BINUNICODE: pushes a text, as its length in bytes and its UTF-8 bytes. */
function text(value: string): Buffer {
  const out = Buffer.alloc(5 + Buffer.byteLength(value), "X");
  out.writeUInt32LE(out.length - 5, 1);
  out.write(value, 5);
  return out;
}

/** BININT: pushes a signed 32-bit integer. */
function int(value: number): Buffer {
  const out = Buffer.alloc(5, "J");
  out.writeInt32LE(value, 1);
  return out;
}

/** Returns the stride of each axis, in elements. */
function rowMajorStrides(shape: readonly number[]): number[] {
  return shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
}
