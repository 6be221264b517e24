/** What follows from a configuration, for config.json and for the lines at the start. */

import { type RunConfig, version } from "@lockstep/config";
import type { BatchMeta } from "@lockstep/dataset";
import { ARITHMETIC_VERSION } from "@lockstep/gradient-sync";
import { DEFAULT_INIT, type LoadedModel, type StateDictName, tfjsTopologyOf, topologyDigest } from "@lockstep/model";
import {
  type BroughtAlong,
  type Derived,
  type DeviceGroup,
  type RunFolder,
  type RunId,
  type Schedule,
  stepsLine,
} from "@lockstep/run";

export function derivedOf({
  runId,
  loaded,
  names,
  meta,
  schedule,
  devices,
}: {
  runId: RunId;
  loaded: LoadedModel;
  names: StateDictName[];
  meta: BatchMeta;
  schedule: Schedule;
  devices: DeviceGroup[];
}): Derived {
  const { trainSamples, validationSamples, testSamples, mean, std } = meta;
  const spare = Array.from(
    { length: loaded.numClasses - meta.classes.length },
    (_, i) => `class ${meta.classes.length + i}`,
  );
  return {
    runId,
    lockstep: version,
    arithmetic: ARITHMETIC_VERSION,
    devices,
    modelName: loaded.name,
    ...(loaded.spec && { spec: loaded.spec }),
    topologyDigest: topologyDigest(tfjsTopologyOf(loaded.model, names)),
    parameters: names.reduce((total, { torchShape }) => total + torchShape.reduce((a, b) => a * b, 1), 0),
    inputShape: loaded.inputShape,
    numClasses: loaded.numClasses,
    classes: [...meta.classes, ...spare],
    ...{ mean, std },
    ...{ trainSamples, validationSamples, testSamples },
    stepsPerEpoch: schedule.stepsPerEpoch,
    steps: schedule.steps,
  };
}

/** A few lines: the model, the data, the training, the folder. */
export function summaryOf(
  config: RunConfig,
  derived: Derived,
  { dir }: RunFolder,
  { brought, resumedStep }: { brought: BroughtAlong; resumedStep?: number | undefined },
): string {
  const { modelName, parameters, trainSamples, validationSamples, testSamples, mean, std } = derived;
  const {
    dataset,
    trainFraction,
    normalize,
    augment,
    batchSize,
    lr,
    lrSchedule,
    momentum,
    weightDecay,
    init,
    initFrom,
    seed,
  } = config;
  const number = (value: number) => value.toLocaleString("en");
  const list = (values: number[]) => values.map((value) => value.toFixed(4)).join(" ");
  const keepsAll = init === undefined && brought.written === brought.total;
  const weights = initFrom ?? (keepsAll ? "weights of its module" : `${init ?? DEFAULT_INIT} init`);
  return [
    `model:  ${modelName}, ${number(parameters)} parameters, ${weights}, seed ${seed}`,
    `data:   ${dataset}: ${number(trainSamples)} to train, ${number(validationSamples)} to validate (train fraction ${trainFraction}), ${number(testSamples)} to test`,
    `        normalize ${normalize}: mean ${list(mean)}, std ${list(std)}; augment ${augment}`,
    `sgd:    lr ${lr} ${lrSchedule}, momentum ${momentum}, weight decay ${weightDecay}, batch ${batchSize} samples`,
    stepsLine(derived, resumedStep),
    `folder: ${dir}`,
  ].join("\n");
}

/** Said where training is slow; the line of progress after two steps tells how slow. */
export function slowBackendLine(backend: string): string {
  return `the ${backend} backend is many times slower than native TensorFlow (\`pnpm run doctor\` says what is missing); after two steps it is known how long it will take`;
}
