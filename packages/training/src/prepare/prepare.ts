/** Prepares engine, model and data of a run, and detects all their errors before anything is written. */

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
  assertModelExists,
  assertTrainable,
  type LoadedModel,
  loadModel,
  type PresetWeights,
  readPresetWeights,
  type StateDictName,
  stateDictNames,
} from "@lockstep/model";

/** Batch size of an evaluation. */
export const EVALUATION_ROWS = 64;
/** Default of maxRows on WASM, which can address 4 GiB: AlexNet at 224 × 224 fills them with about 96 samples. */
const WASM_MAX_ROWS = 64;

/** A run whose engine, model and data are ready. */
export interface PreparedRun {
  config: RunConfig;
  machine: MachineOptions;
  engine: Engine;
  /** Upper bound on the samples that are computed at once. */
  maxRows: number | undefined;
  loaded: LoadedModel;
  /** Initial weights that the model itself provides. */
  own: PresetWeights;
  /** The name of each weight in the state dict, in the model's order. */
  names: StateDictName[];
  /** The thread that makes batches. The caller closes it. */
  thread: BatchThread;
}

/** Parts of a run that the caller provides. */
export interface SuppliedParts {
  /** A running engine. */
  engine?: Engine;
  /** The model as data, instead of the file that the configuration names. */
  spec?: unknown;
  /** Source of records if this machine has no files. */
  supply?: RecordSupply | undefined;
}

/**
 * Starts the engine, loads the model and opens the data of a run, except for those that are supplied.
 *
 * @throws LockstepError if there is a problem with one of them; nothing was written then
 */
export async function prepare(
  config: RunConfig,
  machine: MachineOptions,
  log: (line: string) => void,
  supplied: SuppliedParts = {},
): Promise<PreparedRun> {
  const normalize = parseNormalize(config.normalize);
  // First, since the engine's library may be a long download.
  assertDataFiles(config.dataset, config);
  if (supplied.spec === undefined) assertModelExists(config.model);
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
  // Last, since the thread keeps the process alive until it is closed.
  const thread = await openBatchThread(
    { ...config, height, width, normalize },
    { onProgress: downloadProgress(log), log, supply: supplied.supply },
  );
  return { config, machine, engine, maxRows, loaded, own, names, thread };
}

/** Returns a progress callback that logs a line for each tenth of a download. */
export function downloadProgress(log: (line: string) => void): (doneBytes: number, totalBytes: number) => void {
  let tenths = -1;
  return (doneBytes, totalBytes) => {
    const now = Math.floor((10 * doneBytes) / totalBytes);
    if (now > tenths) log(`downloading CIFAR-10: ${now * 10} % of ${Math.round(totalBytes / 1e6)} MB`);
    tenths = now;
  };
}
