/** Opens the run of a coordinator: all is checked that can be without TensorFlow.js. */
import type { RunConfig } from "@lockstep/config";
import { assertModelFitsData, modelSizes } from "@lockstep/config";
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
  type Display,
  type OpenedRun,
  openRun,
  type ParameterState,
  type RunInputs,
  type RunRequest,
  type readWeightsFile,
} from "@lockstep/run";
import { fittedState } from "../state/fitted-state.ts";
import type { StateSpec } from "../state/state-streams.ts";
import { assertWorkersAccept } from "./assert-config.ts";

/** A run that workers are to compute. */
export interface DistributedRun {
  run: OpenedRun;
  /** What --model names: sent to the workers if it is data. */
  model: ModelFile;
  /** Weights to begin with, for --init-from. */
  state?: readonly ParameterState[] | undefined;
}

type Print = (line: string) => void;

/**
 * Opens a run for workers: a new one, or an earlier one that goes on from its last checkpoint; without a checkpoint, from
 * what workers hold, or from the start.
 */
export async function openDistributedRun(
  request: RunRequest,
  { line }: Pick<Display, "line">,
): Promise<DistributedRun> {
  const print: Print = (text) => line(text);
  const warn: Print = (text) => line(text, { level: "warn" });
  const { run, model } = await openRun(request, (start) => checkedModel(start, print, warn), warn);
  return { run, ...model };
}

async function checkedModel(
  { config, saved, checkpoint, initialWeights }: RunInputs,
  print: Print,
  warn: Print,
): Promise<Omit<DistributedRun, "run">> {
  assertWorkersAccept(config);
  const spec = saved?.derived.spec;
  const model = spec === undefined ? await readModelFile(config.model) : savedSpec(spec);
  const stateDict = stateDictOf(model, config);
  checkedState(checkpoint?.tensors, stateDict, warn);
  const state = initialWeights && withoutMomentum(initialWeights);
  return { model, state: checkedState(state, stateDict, print) };
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
  if (output.length === 1) assertModelFitsData(config, { inputShape, numClasses: output[0]! }, facts);
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
  print: Print,
): State | ParameterState[] {
  if (state === undefined || stateDict === undefined) return state;
  const { tensors, prefix } = fittedState(state, stateDict);
  if (prefix !== "") print(prefixLine(prefix));
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
