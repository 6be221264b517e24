/** What a run of a coordinator begins with: a new folder, or the last checkpoint of an old one. */
import { basename, extname } from "node:path";
import {
  expectModelFitsData,
  type GivenOptions,
  modelSizes,
  type RunConfig,
  resumeConfig,
  withAbsolutePaths,
} from "@lockstep/config";
import { datasetFacts } from "@lockstep/dataset";
import {
  describeModel,
  type ModelFile,
  type ModelSpec,
  prefixLine,
  readModelFile,
  specOf,
  specStateDict,
} from "@lockstep/model/files";
import {
  type Checkpoint,
  checkpointBefore,
  createRunFolder,
  expectNoRun,
  latestCheckpoint,
  newRunId,
  openRunFolder,
  type ParameterState,
  parseRunFile,
  type RunFolder,
  readWeightsFile,
} from "@lockstep/run";
import { expectWorkersTake } from "./check-config.ts";
import type { CoordinatorOptions } from "./coordinator.ts";
import { fittedState } from "./state/fitted-state.ts";
import type { StateSpec } from "./state/state-streams.ts";

/** The options of a coordinator that a new or resumed run decides. */
export type RunStart = Pick<
  CoordinatorOptions,
  "config" | "runId" | "folder" | "model" | "resumed" | "topologyDigest" | "state" | "machine" | "before"
>;

type Say = (line: string) => void;

/**
 * Makes the folder of a new run, once all is checked that can be without TensorFlow.js.
 *
 * @param out where the user wants the folder
 */
export async function newRun(given: RunConfig, out: string | undefined, say: Say): Promise<RunStart> {
  const config = withAbsolutePaths(given);
  expectWorkersTake(config);
  if (out !== undefined) expectNoRun(out);
  const read = config.initFrom === undefined ? undefined : withoutMomentum(readWeightsFile(config.initFrom));
  const model = await readModelFile(config.model);
  const state = checkedState(read, stateDictOf(model, config), say);
  const folder = createRunFolder(out, basename(config.model, extname(config.model)), new Date());
  return { config, runId: newRunId(), folder, model, state };
}

/**
 * Goes on from the last checkpoint, with the saved options and the changes that a resume allows; without a checkpoint,
 * from what workers hold, or from the start.
 */
export async function resumedRun(dir: string, given: GivenOptions, warn: Say): Promise<RunStart> {
  const { folder, config } = openRunFolder(dir);
  const { derived, machine, ...saved } = parseRunFile(config, folder.config);
  const resumed = lastCheckpoint(folder, warn);
  const model: ModelFile = derived.spec === undefined ? await readModelFile(saved.model) : savedSpec(derived.spec);
  const runId = derived.runId ?? newRunId();
  const { topologyDigest } = derived;
  const resumedConfig = withAbsolutePaths(resumeConfig(saved, given));
  expectWorkersTake(resumedConfig);
  checkedState(resumed?.tensors, stateDictOf(model, resumedConfig), warn);
  return { config: resumedConfig, runId, folder, model, resumed, topologyDigest, machine, before: derived };
}

/** @returns undefined if none was written yet. @throws LockstepError ERR_NO_CHECKPOINT if none of them can be read */
export function lastCheckpoint({ checkpoints }: RunFolder, warn: (message: string) => void): Checkpoint | undefined {
  const isFirst = checkpointBefore(checkpoints, Number.POSITIVE_INFINITY) === undefined;
  return isFirst ? undefined : latestCheckpoint(checkpoints, warn);
}

/** The layers that the run began with: the user's file may have changed, or be gone. The workers check it. */
function savedSpec(spec: unknown): ModelFile {
  return { kind: "spec", spec: spec as ModelSpec };
}

/**
 * Returns what a model of known layers calls its weights; undefined for one that code makes: its first worker will tell.
 *
 * @throws LockstepError ERR_MODEL_SPEC, or ERR_MODEL_DATA for a model that does not fit the data set
 */
function stateDictOf(model: ModelFile, config: RunConfig): StateSpec[] | undefined {
  const facts = datasetFacts(config.dataset);
  const spec = specOf(model, config.model, modelSizes(config, facts));
  if (spec === undefined) return undefined;
  const output = describeModel(spec).rows.at(-1)!.output;
  const { inputShape } = spec;
  if (output.length === 1) expectModelFitsData(config, { inputShape, numClasses: output[0]! }, facts);
  return specStateDict(spec).map(({ name, torchShape }) => ({ name, shape: torchShape }));
}

/**
 * Returns a state under the model's names and in its order, as far as they are known here.
 *
 * @throws LockstepError ERR_STATE_DICT for another model's, in the words that one machine has for it
 */
function checkedState<State extends readonly ParameterState[] | undefined>(
  state: State,
  stateDict: readonly StateSpec[] | undefined,
  say: Say,
): State | ParameterState[] {
  if (state === undefined || stateDict === undefined) return state;
  const { tensors, prefix } = fittedState(state, stateDict);
  if (prefix !== "") say(prefixLine(prefix));
  return tensors;
}

function withoutMomentum(weights: ReturnType<typeof readWeightsFile>): ParameterState[] {
  return [...weights].map(([name, { shape, data }]) => ({
    name,
    shape,
    weight: data,
    velocity: new Float32Array(data.length),
  }));
}
