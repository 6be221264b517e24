/**
 * Reads a `.pth` file that `writePth` wrote, as `torch.load` does: the pickle is a program, whose steps build the state
 * dict. Only the steps and calls that `writePth` uses are known, so nothing else can be run.
 *
 * Source: Python's pickletools.py (the opcodes).
 */

import { elementCount } from "../element-count.ts";
import type { Weights } from "../weights.ts";
import { readStoredZip } from "./read-zip.ts";

/** Stands on the stack where a tuple, or the items of a dict, begin. */
const MARK = Symbol("mark");

/** What the `OrderedDict` of a state dict holds. */
type Items = [name: string, tensor: { shape: number[]; data: Float32Array }][];

/**
 * Returns the tensors by name, in the order of the file.
 *
 * @throws RangeError for a file of another make, or a damaged one
 */
export function readPth(path: string): Weights {
  const entries = readStoredZip(path);
  const entry = (name: string) => {
    const bytes = entries.get(`archive/${name}`);
    if (bytes === undefined) throw new RangeError(`Expected an entry archive/${name}, found none.`);
    return bytes;
  };
  const storage = ([, , key]: unknown[]) => new Float32Array(entry(`data/${key}`).buffer);
  return new Map(unpickle(Buffer.from(entry("data.pkl")), storage) as Items);
}

/** The functions that a pickle may call. */
const FUNCTIONS: Readonly<Record<string, (...parameters: never[]) => unknown>> = {
  "collections OrderedDict": (): Items => [],
  "torch._utils _rebuild_tensor_v2": (storage: Float32Array, offset: number, shape: number[]) => ({
    shape,
    data: storage.subarray(offset, offset + elementCount(shape)),
  }),
};

/** @param persistent gives the object that a persistent id names */
function unpickle(pickle: Buffer, persistent: (id: unknown[]) => unknown): unknown {
  const stack: unknown[] = [];
  let at = 0;
  const line = () => {
    const begin = at;
    at = pickle.indexOf("\n", begin) + 1;
    return pickle.toString("utf8", begin, at - 1);
  };
  const aboveMark = () => stack.splice(stack.lastIndexOf(MARK)).slice(1);
  const steps: Record<string, () => void> = {
    "\x80": () => void at++, // PROTO
    "(": () => stack.push(MARK),
    t: () => stack.push(aboveMark()), // TUPLE
    ")": () => stack.push([]), // EMPTY_TUPLE
    c: () => stack.push(`${line()} ${line()}`), // GLOBAL
    R() {
      const parameters = stack.pop() as never[];
      const name = stack.pop() as string;
      const call = FUNCTIONS[name];
      if (call === undefined) throw new RangeError(`The function ${name} is not known.`);
      stack.push(call(...parameters));
    },
    u() {
      const items = aboveMark();
      const dict = stack.at(-1) as Items;
      for (let i = 0; i < items.length; i += 2) dict.push(items.slice(i, i + 2) as Items[number]);
    },
    Q: () => stack.push(persistent(stack.pop() as unknown[])), // BINPERSID
    "\x89": () => stack.push(false), // NEWFALSE
    X() {
      const begin = at + 4;
      at = begin + pickle.readUInt32LE(at);
      stack.push(pickle.toString("utf8", begin, at));
    },
    J() {
      stack.push(pickle.readInt32LE(at));
      at += 4;
    },
  };
  for (;;) {
    const opcode = String.fromCharCode(pickle.readUInt8(at++));
    if (opcode === ".") return stack.pop(); // STOP
    const step = steps[opcode];
    if (step === undefined) throw new RangeError(`The opcode ${JSON.stringify(opcode)} is not known.`);
    step();
  }
}
