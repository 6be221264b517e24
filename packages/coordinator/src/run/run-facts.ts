/** Derives the facts of a run from what its first worker has told, and says how much travelled. */
import { elementsOf } from "@lockstep/gradient-sync";
import { type ModelFile, topologyDigest } from "@lockstep/model/files";
import type { RunFacts } from "@lockstep/run";
import { parseTopology } from "../admission/topology.ts";
import type { Ready } from "../connections/ready-session.ts";
import type { Traffic } from "../step/step-stats.ts";

/** Returns the facts that the first worker has told, for config.json. */
export function teamRunFacts(model: ModelFile, ready: Ready): RunFacts {
  const { modelName, inputShape, numClasses, classes, mean, std, trainSamples, validationSamples, testSamples } = ready;
  return {
    modelName,
    spec: model.kind === "spec" ? model.spec : undefined,
    topologyDigest: topologyDigest(parseTopology(ready.topology)),
    parameters: parametersOf(ready),
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

/** What travelled, beside what the gradients would weigh as they are. */
export function trafficLine({ workerSteps, bytesUp, bytesDown }: Traffic, ready: Ready): string {
  const denseBytes = 4 * parametersOf(ready);
  const megabytes = (bytes: number) => (bytes / Math.max(1, workerSteps) / 1e6).toFixed(1);
  return `sent by a worker in a step: ${megabytes(bytesUp)} MB, received ${megabytes(bytesDown)} MB; a dense fp32 gradient has ${(denseBytes / 1e6).toFixed(1)} MB`;
}

const parametersOf = ({ tensors }: Ready) => tensors.reduce((total, { shape }) => total + elementsOf(shape), 0);
