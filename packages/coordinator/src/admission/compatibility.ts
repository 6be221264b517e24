/**
 * Checks that a worker is compatible: with the coordinator's code, with itself, and with the first worker of the run.
 */
import type { RunConfig } from "@lockstep/config";
import { excerpt, LockstepError } from "@lockstep/errors";
import {
  ARITHMETIC_VERSION,
  type Code,
  elementsOf,
  type FingerprintFacts,
  factsOf,
  fingerprintOf,
} from "@lockstep/gradient-sync";
import { MAX_PARAMETERS, stableTopology } from "@lockstep/model/files";
import { sum } from "@lockstep/run";
import type { Ready, ReadySession } from "../connections/ready-session.ts";
import { firstDifference } from "./first-difference.ts";
import { parseTopology } from "./topology.ts";

/**
 * Throws if a worker's version or arithmetic is not the coordinator's.
 *
 * @throws LockstepError ERR_FINGERPRINT with both versions
 */
export function assertSameCode(version: string, code: Code): void {
  const differences = [
    code.version !== version && `version ${version} of Lockstep, got ${code.version}`,
    code.arithmetic !== ARITHMETIC_VERSION && `arithmetic version ${ARITHMETIC_VERSION}, got ${code.arithmetic}`,
  ].filter((difference) => difference !== false);
  if (differences.length === 0) return;
  const remedy =
    "different code computes different numbers: install the coordinator's version on this worker's machine";
  throw new LockstepError("ERR_FINGERPRINT", `Expected ${differences.join("; ")}; ${remedy}.`);
}

/** Throws if a worker's facts contradict each other or exceed a limit. @throws LockstepError ERR_MODEL */
export function assertConsistentFacts({
  tensors,
  stateDict,
  factorable,
  numClasses,
  classes,
  ...facts
}: FingerprintFacts): void {
  const sizesOf = (list: readonly { shape: readonly number[] }[]) => list.map(({ shape }) => elementsOf(shape));
  const sizes = sizesOf(tensors);
  const parameters = sum(sizes);
  const faults: [boolean, string][] = [
    [parameters < 1 || parameters > MAX_PARAMETERS, `1 to ${MAX_PARAMETERS} parameters, got ${parameters}`],
    [String(sizes) !== String(sizesOf(stateDict)), "the same tensors for the state dict, in their order"],
    [factorable.length !== tensors.length, "a flag for each tensor that says if its gradient can be sent as factors"],
    [factorable.some((can, i) => can && tensors[i]?.shape.length !== 2), "factors of matrices only"],
    [numClasses < 1 || classes.length !== numClasses, `${numClasses} class names, got ${classes.length}`],
    [facts.trainSamples < 1, "samples to train on"],
    [facts.mean.length !== facts.std.length, "as many means as stds"],
  ];
  const fault = faults.find(([isSo]) => isSo);
  if (fault !== undefined) throw new LockstepError("ERR_MODEL", `Expected ${fault[1]}.`);
}

/**
 * Throws if a worker's fingerprint is not that of its own facts.
 *
 * @param layers the worker's layers, as `stableTopology` returns them
 * @throws LockstepError ERR_FINGERPRINT
 */
export function assertOwnFingerprint(config: RunConfig, ready: Ready, layers: string): void {
  const expected = fingerprintOf(factsOf(ready), layers, { ...config });
  if (ready.fingerprint === expected) return;
  const got = excerpt(ready.fingerprint);
  throw differs(`Its fingerprint is ${got}, but the model and data that it reported have ${expected}`);
}

/**
 * Throws if a worker's facts differ from those of the first worker.
 *
 * @param layers the worker's layers, as `stableTopology` returns them
 * @throws LockstepError ERR_FINGERPRINT with the first difference
 */
export function assertSameRun(ready: Ready, layers: string, first: ReadySession): void {
  if (ready.fingerprint === first.ready.fingerprint) return;
  assertSameOwnWeights(ready, first);
  const firstLayers = stableTopology(parseTopology(first.ready.topology));
  const difference = firstDifference(comparable(ready, layers), comparable(first.ready, firstLayers));
  if (difference === undefined) throw differs(`Its fingerprint differs from that of ${first.hello.name}`);
  const { path, a, b } = difference;
  throw differs(`Its ${path} is ${a}, but ${first.hello.name} has ${b}`);
}

/** Throws if the models of two workers bring different weights. @throws LockstepError ERR_FINGERPRINT */
function assertSameOwnWeights(ready: Ready, first: ReadySession): void {
  const digestOf = ({ ownWeights }: Ready) => ownWeights?.digest || "none";
  const [digest, expected] = [digestOf(ready), digestOf(first.ready)];
  if (digest === expected) return;
  const what = "The weights from its model's module or initializers are not those of";
  const remedy = "give all workers the same weight files, or start the run with --init or --init-from";
  const text = `${what} ${first.hello.name} (SHA-256 ${digest}, expected ${expected}); ${remedy}.`;
  throw new LockstepError("ERR_FINGERPRINT", text);
}

/** Returns everything that must be equal on all workers. */
function comparable(facts: FingerprintFacts, layers: string) {
  const model: unknown = JSON.parse(layers);
  return { ...factsOf(facts), model };
}

function differs(what: string): LockstepError {
  return new LockstepError("ERR_FINGERPRINT", `${what}; give all workers the same model, data and version.`);
}
