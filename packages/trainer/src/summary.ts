/** The lines that are printed when a run on this machine starts. */
import type { RunConfig } from "@lockstep/config";
import { DEFAULT_INIT } from "@lockstep/model";
import { type Derived, type ModuleSettings, type RunFolder, stepsLine } from "@lockstep/run";

/** Returns the summary of a run: model, data, training and folder. */
export function summaryOf(
  config: RunConfig,
  derived: Derived,
  { dir }: RunFolder,
  { moduleSettings, resumedStep }: { moduleSettings: ModuleSettings; resumedStep?: number | undefined },
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
  const keepsAll = init === undefined && moduleSettings.written === moduleSettings.total;
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

/** Returns the warning about a slow backend. */
export function slowBackendLine(backend: string): string {
  return `the ${backend} backend is many times slower than native TensorFlow (\`pnpm run doctor\` shows what is missing); the estimated time is printed after two steps`;
}
