/** Compares a worker with the coordinator's code, with what can be trained, and with the first worker of the run. */
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
import type { Ready, ReadySession } from "../connections/ready-session.ts";
import { firstDifference } from "./first-difference.ts";
import { parseTopology } from "./topology.ts";

/**
 * Refuses a worker whose code is not the coordinator's, which adds up what the worker computes.
 *
 * @throws LockstepError ERR_FINGERPRINT that says which version came
 */
export function assertSameCode(version: string, code: Code): void {
  const differences = [
    code.version !== version && `version ${version} of Lockstep, got ${code.version}`,
    code.arithmetic !== ARITHMETIC_VERSION && `arithmetic version ${ARITHMETIC_VERSION}, got ${code.arithmetic}`,
  ].filter((difference) => difference !== false);
  if (differences.length === 0) return;
  const remedy = "other code computes other numbers: install the coordinator's version on this worker's machine";
  throw new LockstepError("ERR_FINGERPRINT", `Expected ${differences.join("; ")}; ${remedy}.`);
}

/** @throws LockstepError ERR_MODEL for sizes that do not fit one another, or are more than there may be */
export function assertTrainable({
  tensors,
  stateDict,
  factorable,
  numClasses,
  classes,
  ...facts
}: FingerprintFacts): void {
  const sizesOf = (list: readonly { shape: readonly number[] }[]) => list.map(({ shape }) => elementsOf(shape));
  const sizes = sizesOf(tensors);
  const parameters = sizes.reduce((total, elements) => total + elements, 0);
  const faults: [boolean, string][] = [
    [parameters < 1 || parameters > MAX_PARAMETERS, `1 to ${MAX_PARAMETERS} parameters, got ${parameters}`],
    [String(sizes) !== String(sizesOf(stateDict)), "the same tensors for the state dict, in their order"],
    [factorable.length !== tensors.length, "to be told of each tensor whether its gradient can be sent as factors"],
    [factorable.some((can, i) => can && tensors[i]?.shape.length !== 2), "factors of matrices only"],
    [numClasses < 1 || classes.length !== numClasses, `${numClasses} names of classes, got ${classes.length}`],
    [facts.trainSamples < 1, "samples to train with"],
    [facts.mean.length !== facts.std.length, "as many means as stds"],
  ];
  const fault = faults.find(([isSo]) => isSo);
  if (fault !== undefined) throw new LockstepError("ERR_MODEL", `Expected ${fault[1]}.`);
}

/**
 * @param layers of the worker, as `stableTopology` has them
 * @throws LockstepError ERR_FINGERPRINT if the worker's fingerprint is not that of the facts that it told
 */
export function assertOwnFingerprint(config: RunConfig, ready: Ready, layers: string): void {
  const expected = fingerprintOf(factsOf(ready), layers, { ...config });
  if (ready.fingerprint === expected) return;
  const got = excerpt(ready.fingerprint);
  throw differs(`Its fingerprint is ${got}, but the model and data that it told of have ${expected}`);
}

/**
 * @param layers of the worker, as `stableTopology` has them
 * @throws LockstepError ERR_FINGERPRINT that says what differs from the first worker's idea of the run
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

/** @throws LockstepError ERR_FINGERPRINT if the models of the two bring other weights along */
function assertSameOwnWeights(ready: Ready, first: ReadySession): void {
  const digestOf = ({ ownWeights }: Ready) => ownWeights?.digest || "none";
  const [digest, expected] = [digestOf(ready), digestOf(first.ready)];
  if (digest === expected) return;
  const what = "The weights that its model's module or initialisers gave are not those of";
  const remedy = "give all workers the same files of weights, or begin the run with --init or --init-from";
  const text = `${what} ${first.hello.name} (SHA-256 ${digest}, expected ${expected}); ${remedy}.`;
  throw new LockstepError("ERR_FINGERPRINT", text);
}

/** Returns all that must be equal on all workers, as one piece of JSON. */
function comparable(facts: FingerprintFacts, layers: string) {
  const model: unknown = JSON.parse(layers);
  return { ...factsOf(facts), model };
}

function differs(what: string): LockstepError {
  return new LockstepError("ERR_FINGERPRINT", `${what}; give all workers the same model, data and version.`);
}
