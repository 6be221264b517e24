/** What must be the same on all workers of a run, as one digest. */
import { createHash } from "node:crypto";
import type { MessageOf } from "./messages.ts";

/** What a worker tells of the run, without what belongs to the worker. */
export type FingerprintFacts = Omit<
  MessageOf<"ready">,
  "type" | "fingerprint" | "topology" | "compiled" | "linkBytesPerSecond" | "gemmFlopsPerSecond"
>;

/** Options that say where things are on one machine; they change nothing in what is computed. */
const LOCAL_OPTIONS = ["dataDir", "model", "initFrom", "maxRows"];

/**
 * Computes the SHA-256, in hex, of the facts, of the model's layers and of the run's options.
 *
 * @param layers as a text that is the same on all workers; the message's topology is not
 */
export function fingerprintOf(facts: FingerprintFacts, layers: string, config: Record<string, unknown>): string {
  const options = Object.fromEntries(Object.entries(config).filter(([name]) => !LOCAL_OPTIONS.includes(name)));
  return createHash("sha256")
    .update(JSON.stringify([factsOf(facts), layers, options], withSortedKeys))
    .digest("hex");
}

/** Puts the fields of an object in the order of their names, whoever wrote them down. */
function withSortedKeys(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Returns the facts alone, of an object that may hold more. */
export function factsOf(facts: FingerprintFacts): FingerprintFacts {
  const { code, modelName, tensors, stateDict, factorable, inputShape, numClasses, classes, mean, std } = facts;
  const { trainSamples, validationSamples, testSamples } = facts;
  const sizes = { trainSamples, validationSamples, testSamples };
  const own = facts.ownWeights && { ownWeights: facts.ownWeights };
  return {
    code,
    modelName,
    tensors,
    stateDict,
    factorable,
    ...own,
    inputShape,
    numClasses,
    classes,
    mean,
    std,
    ...sizes,
  };
}
