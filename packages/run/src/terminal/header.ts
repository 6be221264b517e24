/** The header of a run, which is printed when it starts: model, data, optimizer, steps and folder. */
import type { RunConfig } from "@lockstep/config";
import { counted } from "@lockstep/errors";
import type { DeviceGroup } from "../devices.ts";
import type { Derived } from "../folder/run-file.ts";
import type { RunFolder } from "../folder/run-folder.ts";
import type { Display } from "./display.ts";
import { stepsLine } from "./lines.ts";
import type { ModuleSettings } from "./module-settings.ts";

/** A run whose model, data and devices are known. */
export interface HeaderFacts {
  config: RunConfig;
  derived: Derived;
  folder: Pick<RunFolder, "dir">;
  moduleSettings: ModuleSettings;
  /** Number of steps that a resumed run has made. @default the run is new */
  doneSteps?: number | undefined;
}

/** Prints the header: lines for people, and one object of the type "run" with `--log json`. */
export function printHeader(display: Display, facts: HeaderFacts): void {
  display.line(headerLines(facts).join("\n"), { type: "run", ...headerFields(facts) });
}

/** Prints the folder of a run whose header has to wait for its first workers. */
export function printFolder(display: Display, { dir }: Pick<RunFolder, "dir">): void {
  display.line(`folder: ${dir}`, { type: "folder", folder: dir });
}

/** Returns the header as lines. */
export function headerLines({ config, derived, folder, moduleSettings, doneSteps }: HeaderFacts): string[] {
  const { modelName, parameters, mean, std, devices = [] } = derived;
  const { normalize, augment, batchSize, lr, lrSchedule, momentum, weightDecay, seed } = config;
  const list = (values: number[]) => values.map((value) => value.toFixed(4)).join(" ");
  return [
    `model:  ${modelName}, ${number(parameters)} parameters, ${weightsOf(config, moduleSettings)}, seed ${seed}`,
    `data:   ${samplesOf(config, derived)}`,
    `        normalize ${normalize}: mean ${list(mean)}, std ${list(std)}; augment ${augment}`,
    `sgd:    lr ${lr} ${lrSchedule}, momentum ${momentum}, weight decay ${weightDecay}, batch ${batchSize} samples`,
    stepsLine(derived, doneSteps),
    ...(config.sliceRows === undefined ? [] : [`bits:   ${bitsOf(devices)}`]),
    `folder: ${folder.dir}`,
  ];
}

const number = (value: number) => value.toLocaleString("en");

function weightsOf({ init, initFrom }: RunConfig, { written, total, defaultInit }: ModuleSettings): string {
  if (initFrom !== undefined) return initFrom;
  return init === undefined && written === total ? "weights of its module" : `${init ?? defaultInit} init`;
}

function samplesOf({ dataset, trainFraction }: RunConfig, derived: Derived): string {
  const { trainSamples, validationSamples, testSamples } = derived;
  const validation = `${number(validationSamples)} to validate (train fraction ${trainFraction})`;
  return `${dataset}: ${number(trainSamples)} to train, ${validation}, ${number(testSamples)} to test`;
}

/**
 * Returns on which devices a run with fixed slices has the same bits, and the option that gives workers such a device.
 */
function bitsOf(devices: readonly DeviceGroup[]): string {
  const [device, ...others] = devices;
  if (device === undefined || others.length > 0) {
    return `depend on which worker computes what, since the devices differ: ${devices.map(deviceText).join("; ")}`;
  }
  const { backend, threads } = device;
  const option = backend === "native" ? `--threads ${threads}` : `--backend ${backend}`;
  return `the same with any number of workers if each has ${deviceText(device)}: add ${option} to runs that should agree`;
}

function deviceText({ backend, libraryVersion, gpu, instructionSet, threads }: DeviceGroup): string {
  const isNative = backend === "native";
  const library = isNative ? "native TensorFlow" : `TensorFlow.js on ${backend}`;
  const where = gpu === undefined ? `a CPU with ${instructionSet}` : gpu;
  return `${library} ${libraryVersion}, ${where}${isNative ? ` and ${counted(threads, "thread")}` : ""}`;
}

function headerFields({ config, derived, folder, doneSteps = 0 }: HeaderFacts) {
  const { runId, modelName, parameters, trainSamples, validationSamples, testSamples } = derived;
  const { steps, stepsPerEpoch, devices } = derived;
  const { dataset, batchSize, lr, momentum, weightDecay, numEpochs, sliceRows, seed } = config;
  return {
    message: `${modelName} on ${dataset}, ${counted(steps, "step")}, in ${folder.dir}`,
    folder: folder.dir,
    runId,
    model: modelName,
    parameters,
    dataset,
    trainSamples,
    validationSamples,
    testSamples,
    batchSize,
    lr,
    momentum,
    weightDecay,
    seed,
    sliceRows,
    numEpochs,
    steps,
    stepsPerEpoch,
    doneSteps,
    devices,
  };
}
