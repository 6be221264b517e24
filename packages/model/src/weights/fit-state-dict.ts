/** Matches the weights of a file to a model by name, or explains why they do not match. */
import { defined, excerpt, faultLines, LockstepError } from "@lockstep/errors";
import type { ExpectedTensor } from "./state-tensors.ts";

type Shaped = { shape: readonly number[] };

/** Weights in the order of a model, with the model's names. */
export interface FittedStateDict<Tensor> {
  tensors: Map<string, Tensor>;
  /** The prefix removed from each name of the file, such as "module."; empty if none. */
  prefix: string;
}

/**
 * Finds each tensor of the model by name. In PyTorch, a wrapper around a model adds a prefix to all names (`module.`
 * for DistributedDataParallel, `_orig_mod.` for torch.compile). A prefix that all names share is removed if the weights
 * match the model without it.
 *
 * @throws LockstepError ERR_STATE_DICT that names each tensor that is missing, unexpected or of another shape
 */
export function fitStateDict<Tensor extends Shaped>(
  expected: readonly ExpectedTensor[],
  dict: ReadonlyMap<string, Tensor>,
): FittedStateDict<Tensor> {
  const prefix = prefixOf(expected, dict);
  const named = new Map([...dict].map(([name, tensor]) => [name.slice(prefix.length), tensor]));
  assertSameTensors(expected, named, prefix);
  return {
    tensors: new Map(expected.map(({ name }) => [name, defined(named.get(name), `a tensor named ${name}`)])),
    prefix,
  };
}

/**
 * Checks that weights have exactly the model's names and shapes.
 *
 * @throws LockstepError ERR_STATE_DICT that names each tensor that is missing, unexpected or of another shape
 */
export function assertStateDict(expected: readonly ExpectedTensor[], dict: ReadonlyMap<string, Shaped>): void {
  assertSameTensors(expected, dict, "");
}

/** Returns the line that reports the removed prefix. */
export function prefixLine(prefix: string): string {
  return `every name in the file of weights starts with "${excerpt(prefix)}"; this prefix is removed`;
}

/** Returns the shortest shared prefix whose removal leaves the most names of the model. */
function prefixOf(expected: readonly ExpectedTensor[], dict: ReadonlyMap<string, Shaped>): string {
  const known = new Set(expected.map(({ name }) => name));
  const names = [...dict.keys()];
  const matches = (prefix: string) => names.filter((name) => known.has(name.slice(prefix.length))).length;
  const counted = sharedPrefixes(names).map((prefix) => ({ prefix, count: matches(prefix) }));
  return counted.reduce((best, other) => (other.count > best.count ? other : best)).prefix;
}

/** Returns "", "a." and "a.b." for names that all start with "a.b.". */
function sharedPrefixes([first = "", ...others]: readonly string[]): string[] {
  const segments = first.split(".").slice(0, -1);
  const prefixes = segments.map((_, index) => `${segments.slice(0, index + 1).join(".")}.`);
  return ["", ...prefixes.filter((prefix) => others.every((name) => name.startsWith(prefix)))];
}

function assertSameTensors(
  expected: readonly ExpectedTensor[],
  dict: ReadonlyMap<string, Shaped>,
  prefix: string,
): void {
  const known = new Set(expected.map(({ name }) => name));
  const faults = [
    ...expected.flatMap(({ name, torchShape }) => {
      const shape = dict.get(name)?.shape;
      if (shape === undefined) return [`${excerpt(name)} is missing`];
      if (String(shape) === String(torchShape)) return [];
      return [`${excerpt(name)} has the shape ${listed(shape)}, expected ${listed(torchShape)}`];
    }),
    ...[...dict.keys()].filter((name) => !known.has(name)).map((name) => `${excerpt(name)} is unexpected`),
  ];
  if (faults.length === 0) return;
  const without = prefix === "" ? "" : ` (after removing the prefix "${excerpt(prefix)}" of all names)`;
  throw new LockstepError(
    "ERR_STATE_DICT",
    `The weights do not match the model${without}:\n${faultLines(faults)}\n` +
      "Use weights of a model with the same layers, classes and channels.",
  );
}

const listed = (shape: readonly number[]) => `[${excerpt(shape.join(", "))}]`;
