/** The lines that are printed when a run on this machine starts. */
import type { RunConfig } from "@lockstep/config";
import { DEFAULT_INIT } from "@lockstep/model";
import { type Derived, type ModuleSettings, type RunFolder, stepsLine } from "@lockstep/run";
import type { PreparedRun } from "@lockstep/training";

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

/** Returns the warning about a slow backend, with what to do if native TensorFlow is missing and can be installed. */
export function slowBackendLine({ backend, skipped }: Pick<PreparedRun["engine"], "backend" | "skipped">): string {
  const times = backend === "wasm" ? "about 8 times" : "many times"; // docs/results.md has the times of steps
  const cost = `the ${backend} backend is ${times} slower than native TensorFlow`;
  const canInstall = skipped.some((one) => one.backend === "native" && one.remedy !== "");
  const remedy = canInstall ? "to install that, stop with Ctrl-C and run `pnpm run doctor --fix`; " : "";
  return `${cost}; ${remedy}the estimated time is printed after two steps`;
}
