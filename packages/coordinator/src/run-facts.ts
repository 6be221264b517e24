/** What is told of a run: what follows from its options and data, and what travelled. */
import { ARITHMETIC_VERSION, elementsOf } from "@lockstep/gradient-sync";
import { type ModelFile, topologyDigest } from "@lockstep/model/files";
import type { Derived, RunId, Schedule } from "@lockstep/run";
import type { ReadySession } from "./connections/ready-session.ts";
import { parseTopology } from "./membership/topology.ts";
import type { Travelled } from "./step/worker-shares.ts";

type Ready = ReadySession["ready"];

/** For its config.json. */
export function derivedOf(
  { runId, model, version }: { runId: RunId; model: ModelFile; version: string },
  ready: Ready,
  { stepsPerEpoch, steps }: Pick<Schedule, "stepsPerEpoch" | "steps">,
): Derived {
  const { modelName, inputShape, numClasses, classes, mean, std, trainSamples, validationSamples, testSamples } = ready;
  return {
    ...(model.kind === "spec" && { spec: model.spec }),
    ...{
      runId,
      lockstep: version,
      arithmetic: ARITHMETIC_VERSION,
      modelName,
      parameters: parametersOf(ready),
      inputShape,
      numClasses,
      classes,
    },
    topologyDigest: topologyDigest(parseTopology(ready.topology)),
    ...{ mean, std, trainSamples, validationSamples, testSamples, stepsPerEpoch, steps },
  };
}

/** What travelled, beside what the gradients would weigh as they are. */
export function trafficLine({ workerSteps, bytesUp, bytesDown }: Travelled, ready: Ready): string {
  const denseBytes = 4 * parametersOf(ready);
  const megabytes = (bytes: number) => (bytes / Math.max(1, workerSteps) / 1e6).toFixed(1);
  return `sent by a worker in a step: ${megabytes(bytesUp)} MB, received ${megabytes(bytesDown)} MB; a dense fp32 gradient has ${(denseBytes / 1e6).toFixed(1)} MB`;
}

const parametersOf = ({ tensors }: Ready) => tensors.reduce((total, { shape }) => total + elementsOf(shape), 0);
