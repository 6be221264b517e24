/** Puts weights that came from elsewhere into the order of a model, by their names, or says why they do not fit it. */
import { excerpt, faultLines, LockstepError } from "@lockstep/errors";
import type { ExpectedTensor } from "./state-tensors.ts";

type Shaped = { shape: readonly number[] };

/** Weights in the order of a model, under the model's names. */
export interface FittedStateDict<Tensor> {
  tensors: Map<string, Tensor>;
  /** The prefix of each name in the file that is left out: "module.", or nothing. */
  prefix: string;
}

/**
 * Finds each tensor of the model by its name. Whatever wraps a model in PyTorch puts a prefix before all names
 * (`module.` for DistributedDataParallel, `_orig_mod.` for torch.compile): one that all names share is left out if the
 * weights fit the model without it.
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
  return { tensors: new Map(expected.map(({ name }) => [name, named.get(name)!])), prefix };
}

/**
 * Checks weights that must have the model's own names.
 *
 * @throws LockstepError ERR_STATE_DICT that names each tensor that is missing, unexpected or of another shape
 */
export function assertStateDict(expected: readonly ExpectedTensor[], dict: ReadonlyMap<string, Shaped>): void {
  assertSameTensors(expected, dict, "");
}

/** Returns the line that says which prefix was left out. */
export function prefixLine(prefix: string): string {
  return `every name in the file of weights begins with "${excerpt(prefix)}"; it is left out`;
}

/** The shortest prefix of all names without which the most of them are names of the model. */
function prefixOf(expected: readonly ExpectedTensor[], dict: ReadonlyMap<string, Shaped>): string {
  const known = new Set(expected.map(({ name }) => name));
  const names = [...dict.keys()];
  const matches = (prefix: string) => names.filter((name) => known.has(name.slice(prefix.length))).length;
  const counted = sharedPrefixes(names).map((prefix) => ({ prefix, count: matches(prefix) }));
  return counted.reduce((best, other) => (other.count > best.count ? other : best)).prefix;
}

/** "", "a." and "a.b." for names that all begin with "a.b.". */
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
  const without = prefix === "" ? "" : ` (all their names begin with "${excerpt(prefix)}", which is left out here)`;
  throw new LockstepError(
    "ERR_STATE_DICT",
    `These weights are not those of the model${without}:\n${faultLines(faults)}\n` +
      "Take weights that were saved from a model with the same layers, classes and channels.",
  );
}

const listed = (shape: readonly number[]) => `[${excerpt(shape.join(", "))}]`;
