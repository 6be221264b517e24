/** Derives the facts of a run from its first worker's `ready`, and summarizes its traffic. */
import { elementsOf } from "@lockstep/gradient-sync";
import { type ModelFile, topologyDigest } from "@lockstep/model/files";
import type { RunFacts } from "@lockstep/run";
import { parseTopology } from "../admission/topology.ts";
import type { Ready } from "../connections/ready-session.ts";
import type { Traffic } from "../step/step-stats.ts";
import { formatBytes } from "./wording.ts";

/** Returns the facts of the run from its first worker's `ready`, for config.json. */
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

/** Returns a line with the mean traffic of a worker in a step, next to the size of a dense gradient. */
export function trafficLine({ workerSteps, bytesUp, bytesDown }: Traffic, ready: Ready): string {
  const denseBytes = 4 * parametersOf(ready);
  const steps = Math.max(1, workerSteps);
  const [up, down, dense] = [bytesUp / steps, bytesDown / steps, denseBytes].map(formatBytes);
  return `mean traffic per worker and step: ${up} sent, ${down} received; a dense fp32 gradient has ${dense}`;
}

const parametersOf = ({ tensors }: Ready) => tensors.reduce((total, { shape }) => total + elementsOf(shape), 0);
