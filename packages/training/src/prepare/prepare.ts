/** Engine, model and data of a run. All that can be wrong with them is found here, before anything is written. */

import { assertModelFitsData, type MachineOptions, modelSizes, type RunConfig } from "@lockstep/config";
import {
  assertDataFiles,
  type BatchThread,
  datasetFacts,
  openBatchThread,
  parseNormalize,
  type RecordSupply,
} from "@lockstep/dataset";
import { type Engine, startEngine } from "@lockstep/engine";
import {
  assertTrainable,
  type LoadedModel,
  loadModel,
  type PresetWeights,
  readPresetWeights,
  type StateDictName,
  stateDictNames,
} from "@lockstep/model";

/** Samples that an evaluation computes at once. */
export const EVALUATION_ROWS = 64;
/** WebAssembly can address 4 GiB, which AlexNet at 224 × 224 fills with about 96 samples. */
const WASM_MAX_ROWS = 64;

/** A run whose engine, model and data are ready. */
export interface PreparedRun {
  config: RunConfig;
  machine: MachineOptions;
  engine: Engine;
  /** Samples that are computed at once at the most. */
  maxRows: number | undefined;
  loaded: LoadedModel;
  /** What the model brings along of the weights to begin with. */
  own: PresetWeights;
  /** Of each weight, in the model's order. */
  names: StateDictName[];
  /** The data, opened. The caller closes it. */
  thread: BatchThread;
}

/** What a worker may have from its coordinator. */
export interface SuppliedParts {
  /** The engine, if it runs already. */
  engine?: Engine;
  /** The model, as data; then the file that the configuration names is not read. */
  spec?: unknown;
  /** Where records come from if this machine has no files. */
  supply?: RecordSupply | undefined;
}

/**
 * Starts the engine, loads the model and opens the data of a run, or takes those that are given.
 *
 * @throws LockstepError for whatever is wrong with one of them; nothing is written before
 */
export async function prepare(
  config: RunConfig,
  machine: MachineOptions,
  log: (line: string) => void,
  supplied: SuppliedParts = {},
): Promise<PreparedRun> {
  const normalize = parseNormalize(config.normalize);
  assertDataFiles(config.dataset, config); // the engine's library may be a long download
  const engine = supplied.engine ?? (await startEngine({ ...machine, log }));
  const facts = datasetFacts(config.dataset);
  const loaded = await loadModel(config.model, {
    ...modelSizes(config, facts),
    imageSize: [facts.height, facts.width],
    spec: supplied.spec,
  });
  const own = await readPresetWeights(loaded.model);
  await assertTrainable(loaded.model, {
    allowSoftmax: config.allowSoftmax,
    numClasses: config.numClasses ?? loaded.numClasses,
    tryOut: loaded.spec === undefined,
  });
  assertModelFitsData(config, loaded, facts);
  const [height, width] = loaded.inputShape;
  const names = stateDictNames(loaded.model, loaded.spec);
  const maxRows = config.maxRows ?? (engine.backend === "wasm" ? WASM_MAX_ROWS : undefined);
  // Last, since from here on the thread keeps the process alive until it is closed.
  const thread = await openBatchThread(
    { ...config, height, width, normalize },
    { onProgress: downloadProgress(log), log, supply: supplied.supply },
  );
  return { config, machine, engine, maxRows, loaded, own, names, thread };
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
