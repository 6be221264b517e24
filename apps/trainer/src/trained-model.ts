/** The model of a run that was trained before, ready to answer. */
import { existsSync } from "node:fs";
import { startEngine } from "@lockstep/engine";
import { type LoadedModel, loadModel, type StateDictName, stateDictNames } from "@lockstep/model";
import {
  type MachineOptions,
  machineOptions,
  openRunFolder,
  parseRunFile,
  type RunFile,
  type RunFolder,
  readWeights,
  type Weights,
} from "@lockstep/run";
import { parameterValues, Replica } from "@lockstep/training";

const UNFINISHED = "this run has not ended: these are the weights of its last checkpoint";

export interface TrainedModel {
  folder: RunFolder;
  run: RunFile;
  replica: Replica;
  weights: Weights;
  /** Of each weight, in the model's order. */
  names: StateDictName[];
}

/** Loads the final weights of a run, or those of its last checkpoint if it isn't finished. */
export async function loadTrainedModel(dir: string, machine: MachineOptions): Promise<TrainedModel> {
  const { folder, config } = openRunFolder(dir);
  const run = parseRunFile(config, folder.config);
  const log = (line: string) => console.error(line);
  await startEngine({ ...machineOptions(machine), log });
  if (!existsSync(folder.weights(run.derived.modelName))) log(UNFINISHED);
  const { model, names } = await loadModelOf(run);
  const weights = readWeights(folder, run.derived.modelName);
  const replica = new Replica(model, parameterValues(model, names, weights));
  return { folder, run, replica, weights, names };
}

/** The model of a run with its weights all zero, and what the state dict calls them. */
async function loadModelOf(run: RunFile): Promise<{ model: LoadedModel["model"]; names: StateDictName[] }> {
  const { numClasses, inputShape } = run.derived;
  const [height, width, inputChannels] = inputShape;
  const { model, spec } = await loadModel(run.model, { numClasses, inputChannels, imageSize: [height, width] });
  return { model, names: stateDictNames(model, spec) };
}
