/** What a worker tells of its model, data and device. */
import { version } from "@lockstep/config";
import { matmulFlopsPerSecond } from "@lockstep/engine";
import { ARITHMETIC_VERSION, expectAgreed, fingerprintOf, type WorkerMessage } from "@lockstep/gradient-sync";
import { factorableKernels, ownWeightsFacts, stableTopology, tfjsTopologyOf } from "@lockstep/model";
import { drawsDigest, type PreparedRun } from "@lockstep/training";

import type { Connection } from "./connection/connection.ts";

/** Side of the matrices whose product is timed: large enough for the speed of the layers that matter, and quick. */
const MATMUL_SIZE = { native: 1024, other: 256 };

/** @throws LockstepError ERR_MODEL_REFUSED for a model that no coordinator takes */
export async function readyMessage(
  { config: options, loaded, own, names, thread, engine }: PreparedRun,
  config: Record<string, unknown>,
  { linkBytesPerSecond }: Connection,
): Promise<Extract<WorkerMessage, { type: "ready" }>> {
  const { mean, std, trainSamples, validationSamples, testSamples, classes } = thread.meta;
  const factorable = new Set(factorableKernels(loaded.model));
  const weights = loaded.model.weights;
  const topology = tfjsTopologyOf(loaded.model, names);
  const ownWeights = ownWeightsFacts(own, options);
  const facts = {
    code: { version, arithmetic: ARITHMETIC_VERSION, draws: await drawsDigest() },
    modelName: loaded.name,
    tensors: names.map(({ name }, index) => ({
      name,
      shape: weights[index]!.shape as number[],
      dtype: "float32" as const,
    })),
    stateDict: names.map(({ name, torchShape }) => ({ name, shape: torchShape })),
    factorable: names.map((_, index) => factorable.has(index)),
    ...(ownWeights && { ownWeights }),
    inputShape: loaded.inputShape,
    numClasses: loaded.numClasses,
    classes: [...classes],
    ...{ mean, std, trainSamples, validationSamples, testSamples },
  };
  const ready = {
    type: "ready" as const,
    fingerprint: fingerprintOf(facts, stableTopology(topology), config),
    ...facts,
    ...(loaded.compiled !== undefined && { compiled: loaded.compiled }),
    topology: JSON.stringify(topology),
    linkBytesPerSecond: await linkBytesPerSecond,
    gemmFlopsPerSecond: await matmulFlopsPerSecond(
      engine.backend === "native" ? MATMUL_SIZE.native : MATMUL_SIZE.other,
    ),
  };
  expectAgreed(ready);
  return ready;
}
