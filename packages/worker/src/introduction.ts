/** The messages with which a worker introduces itself: `hello` with its device, `ready` with its model and data. */
import { version } from "@lockstep/config";
import { bitProperties, describeDevice, type Engine, matmulFlopsPerSecond } from "@lockstep/engine";
import {
  ARITHMETIC_VERSION,
  assertValidReady,
  fingerprintOf,
  type MessageOf,
  PROTOCOL_VERSION,
} from "@lockstep/gradient-sync";
import { factorableKernels, presetWeightsFacts, stableTopology, tfjsTopologyOf } from "@lockstep/model";
import { drawsDigest, type PreparedRun } from "@lockstep/training";
import type { Connection } from "./connection/connection.ts";
import { tensorSpecs } from "./state/tensor-specs.ts";

/** Size of the square matrices whose product is timed: large enough to predict the speed of large layers, and quick. */
const MATMUL_SIZE = { native: 1024, other: 256 };

/** Makes the `hello` of a worker; `holds` describes the state that it holds after an earlier session. */
export function helloMessage(name: string, engine: Engine, holds: MessageOf<"hello">["holds"]): MessageOf<"hello"> {
  const device = describeDevice(engine.device);
  return {
    type: "hello",
    protocol: PROTOCOL_VERSION,
    name,
    device,
    ...bitProperties(engine),
    ...(holds && { holds }),
  };
}

/**
 * Makes the `ready` message: model and data as this machine has them, which the coordinator compares.
 *
 * @throws LockstepError ERR_MODEL_REFUSED if no coordinator would accept the model
 */
export async function readyMessage(
  { config: options, loaded, own, names, thread, engine }: PreparedRun,
  config: Record<string, unknown>,
  { linkBytesPerSecond }: Connection,
): Promise<MessageOf<"ready">> {
  const { mean, std, trainSamples, validationSamples, testSamples, classes } = thread.meta;
  const factorable = new Set(factorableKernels(loaded.model));
  const topology = tfjsTopologyOf(loaded.model, names);
  const ownWeights = presetWeightsFacts(own, options);
  const facts = {
    code: { version, arithmetic: ARITHMETIC_VERSION, draws: await drawsDigest() },
    modelName: loaded.name,
    tensors: tensorSpecs({ loaded, names }),
    stateDict: names.map(({ name, torchShape }) => ({ name, shape: torchShape })),
    factorable: names.map((_, index) => factorable.has(index)),
    ...(ownWeights && { ownWeights }),
    inputShape: loaded.inputShape,
    numClasses: loaded.numClasses,
    classes: [...classes],
    mean,
    std,
    trainSamples,
    validationSamples,
    testSamples,
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
  assertValidReady(ready);
  return ready;
}
