/** Loads the trained model of an earlier run. */
import { existsSync } from "node:fs";
import { type MachineOptions, machineOptions } from "@lockstep/config";
import { startEngine } from "@lockstep/engine";
import type { Weights } from "@lockstep/formats";
import {
  assertModelExists,
  type LoadedModel,
  loadModel,
  type StateDictName,
  stateDictNames,
  tfjsTopologyOf,
  topologyDigest,
} from "@lockstep/model";
import { type Derived, openRunFolder, parseRunFile, type RunFile, type RunFolder, readWeights } from "@lockstep/run";
import { Replica } from "../replica.ts";
import { parameterValues } from "../state.ts";

const UNFINISHED = "this run is not finished: using the weights of its last checkpoint";
const CHANGED =
  "is no longer the model that this run started with, or an earlier version laid out its weights differently: its " +
  "predictions may differ from the run's";

/** A trained model: its run, its weights, and a replica with them. */
export interface TrainedModel {
  folder: RunFolder;
  run: RunFile;
  replica: Replica;
  weights: Weights;
  /** The name of each weight, in the model's order. */
  names: StateDictName[];
}

/** Loads the final weights of a run, or those of its last checkpoint if it is not finished. */
export async function loadTrainedModel(dir: string, machine: MachineOptions): Promise<TrainedModel> {
  const { folder, config } = openRunFolder(dir);
  const run = parseRunFile(config, folder.config);
  assertModelExists(run.model); // before the engine, whose library may be a long download
  const log = (line: string) => console.error(line);
  await startEngine({ ...machineOptions(machine), log });
  if (!existsSync(folder.weights(run.derived.modelName))) log(UNFINISHED);
  const { loaded, names } = await loadModelOf(run);
  if (!isModelOf(run.derived, loaded, names)) log(`${run.model} ${CHANGED}`);
  const weights = readWeights(folder, run.derived.modelName);
  const replica = new Replica(loaded.model, parameterValues(loaded.model, names, weights));
  return { folder, run, replica, weights, names };
}

/** Loads the model of a run, with zeros as weights, and their names in the state dict. */
async function loadModelOf(run: RunFile): Promise<{ loaded: LoadedModel; names: StateDictName[] }> {
  const { numClasses, inputShape } = run.derived;
  const [height, width, inputChannels] = inputShape;
  const loaded = await loadModel(run.model, { numClasses, inputChannels, imageSize: [height, width] });
  return { loaded, names: stateDictNames(loaded.model, loaded.spec) };
}

/** Returns whether a run was started with this model: the same layers, connections and layout of weights. */
export function isModelOf(
  { spec, topologyDigest: digest }: Pick<Derived, "spec" | "topologyDigest">,
  loaded: Pick<LoadedModel, "model" | "spec">,
  names: readonly StateDictName[],
): boolean {
  const sameSpec = spec === undefined || JSON.stringify(spec) === JSON.stringify(loaded.spec);
  return sameSpec && (digest === undefined || digest === topologyDigest(tfjsTopologyOf(loaded.model, names)));
}
