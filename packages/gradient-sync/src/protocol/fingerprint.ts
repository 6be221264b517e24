/** Computes one digest of everything that must be the same on all workers of a run. */
import { createHash } from "node:crypto";
import type { MessageOf } from "./messages.ts";

/** The fields of a `ready` message that must be equal on all workers. */
export type FingerprintFacts = Omit<
  MessageOf<"ready">,
  "type" | "fingerprint" | "topology" | "compiled" | "linkBytesPerSecond" | "gemmFlopsPerSecond"
>;

/** Options that may differ between workers; they do not affect the result. */
const LOCAL_OPTIONS = ["dataDir", "model", "initFrom", "maxRows"];

/**
 * Returns the SHA-256, in hex, of the facts, the model's layers and the run's options.
 *
 * @param layers description of the layers that is the same on all workers, unlike the message's topology
 */
export function fingerprintOf(facts: FingerprintFacts, layers: string, config: Record<string, unknown>): string {
  const options = Object.fromEntries(Object.entries(config).filter(([name]) => !LOCAL_OPTIONS.includes(name)));
  return createHash("sha256")
    .update(JSON.stringify([factsOf(facts), layers, options], withSortedKeys))
    .digest("hex");
}

/** Sorts the keys of an object: a replacer for JSON.stringify. */
function withSortedKeys(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Returns only the facts of an object that may have more fields. */
export function factsOf(facts: FingerprintFacts): FingerprintFacts {
  const { code, modelName, tensors, stateDict, factorable, inputShape, numClasses, classes, mean, std } = facts;
  const { ownWeights, trainSamples, validationSamples, testSamples } = facts;
  return {
    code,
    modelName,
    tensors,
    stateDict,
    factorable,
    ...(ownWeights && { ownWeights }),
    inputShape,
    numClasses,
    classes,
    mean,
    std,
    trainSamples,
    validationSamples,
    testSamples,
  };
}
