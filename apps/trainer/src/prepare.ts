/** Engine, model and data of a run. All that can be wrong with them is found here, before anything is written. */
import { resolve } from "node:path";
import { type BatchThread, datasetFacts, openBatchThread, parseNormalize } from "@lockstep/dataset";
import { type Engine, startEngine } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import { checkTrainable, type LoadedModel, loadModel, type StateDictName, stateDictNames } from "@lockstep/model";
import type { MachineOptions, RunConfig } from "@lockstep/run";

export interface PreparedRun {
  config: RunConfig;
  machine: MachineOptions;
  engine: Engine;
  loaded: LoadedModel;
  /** Of each weight, in the model's order. */
  names: StateDictName[];
  /** The data, opened. The caller closes it. */
  thread: BatchThread;
}

export async function prepare(config: RunConfig, machine: MachineOptions): Promise<PreparedRun> {
  const log = (line: string) => console.log(line);
  const engine = await startEngine({ ...machine, log });
  const facts = datasetFacts(config.dataset);
  const numClasses = config.numClasses ?? facts.classes.length;
  const inputChannels = config.inputChannels ?? facts.channels;
  const loaded = await loadModel(config.model, { numClasses, inputChannels, imageSize: [facts.height, facts.width] });
  await checkTrainable(loaded.model, { allowSoftmax: config.allowSoftmax, numClasses: loaded.numClasses });
  const [height, width, channels] = loaded.inputShape;
  expectInput(
    "classes",
    "--num-classes",
    loaded.numClasses >= facts.classes.length,
    facts.classes.length,
    loaded.numClasses,
  );
  expectInput("channels", "--input-channels", channels === facts.channels, facts.channels, channels);
  const normalize = parseNormalize(config.normalize);
  const thread = await openBatchThread({ ...config, height, width, normalize }, { onProgress: downloadProgress(log) });
  return { config, machine, engine, loaded, names: stateDictNames(loaded.model, loaded.spec), thread };
}

/** A line for each tenth of a download. */
export function downloadProgress(log: (line: string) => void): (doneBytes: number, totalBytes: number) => void {
  let tenths = -1;
  return (doneBytes, totalBytes) => {
    const now = Math.floor((10 * doneBytes) / totalBytes);
    if (now > tenths) log(`downloading CIFAR-10: ${now * 10} % of ${Math.round(totalBytes / 1e6)} MB`);
    tenths = now;
  };
}

/** Paths in the saved configuration hold wherever the run is continued from. */
export function withAbsolutePaths(config: RunConfig): RunConfig {
  const isPath = /[/\\]|\.[cm]?[jt]s$/.test(config.model);
  return {
    ...config,
    model: isPath ? resolve(config.model) : config.model,
    dataDir: config.dataDir && resolve(config.dataDir),
    initFrom: config.initFrom && resolve(config.initFrom),
  };
}

function expectInput(what: string, flag: string, fits: boolean, expected: number, got: number): void {
  if (fits) return;
  throw new LockstepError(
    "ERR_MODEL_DATA",
    `Expected a model with ${expected} ${what}, as the data set has, got ${got}; leave out ${flag} or give ${flag} ${expected}.`,
  );
}
