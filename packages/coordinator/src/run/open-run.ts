/** Opens the run of a coordinator and checks everything that can be checked without TensorFlow.js. */
import type { RunConfig } from "@lockstep/config";
import { assertModelFitsData, modelSizes } from "@lockstep/config";
import { datasetFacts } from "@lockstep/dataset";
import { at } from "@lockstep/errors";
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

/** A run that workers will compute. */
export interface DistributedRun {
  run: OpenedRun;
  /** The model that `--model` names; it is sent to the workers if it is data rather than code. */
  model: ModelFile;
  /** Initial weights, for `--init-from`. */
  state?: readonly ParameterState[] | undefined;
}

type Print = (line: string) => void;

/**
 * Opens a new run, or resumes one from its last checkpoint. Without a checkpoint, a resumed run continues from the
 * weights that workers hold, or from the start.
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

/**
 * Returns the layers that the run began with, because the user's file may have changed since.
 * The workers validate them.
 */
function savedSpec(spec: unknown): ModelFile {
  return { kind: "spec", spec: spec as ModelSpec };
}

/**
 * Returns the state dict's names and shapes for a model that is data; undefined for a code model, of which the first
 * worker reports them.
 *
 * @throws LockstepError ERR_MODEL_SPEC, or ERR_MODEL_DATA for a model that does not fit the data set
 */
function stateDictOf(model: ModelFile, config: RunConfig): StateSpec[] | undefined {
  const facts = datasetFacts(config.dataset);
  const spec = specOf(model, config.model, modelSizes(config, facts));
  if (spec === undefined) return undefined;
  const [numClasses, ...otherAxes] = at(describeModel(spec).rows, -1).output;
  const { inputShape } = spec;
  if (numClasses !== undefined && otherAxes.length === 0) {
    assertModelFitsData(config, { inputShape, numClasses }, facts);
  }
  return specStateDict(spec).map(({ name, torchShape }) => ({ name, shape: torchShape }));
}

/**
 * Returns a state under the model's names and in its order, or unchanged if those are not known yet.
 *
 * @throws LockstepError ERR_STATE_DICT for the state of another model
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
