/** A replica's weights and momentum as a checkpoint has them: under PyTorch's names, in PyTorch's layouts. */

import type { ParameterValues } from "@lockstep/engine";
import { readBack, type tf } from "@lockstep/engine";
import { fromStateDict, type StateDict, type StateDictName, toStateDict } from "@lockstep/model";
import type { ParameterState } from "@lockstep/run";
import type { Replica } from "./replica.ts";

/** Copies the current weights and momentum from the device. */
export async function readState(replica: Replica, names: readonly StateDictName[]): Promise<ParameterState[]> {
  const indexes = names.map((_, index) => index);
  const weights = toStateDict(names, await readAll(indexes.map((index) => replica.parameters.weight(index))));
  const velocities = toStateDict(names, await readAll(indexes.map((index) => replica.parameters.velocity(index))));
  return names.map(({ name, torchShape }) => ({
    name,
    shape: torchShape,
    weight: weights.get(name)!.data,
    velocity: velocities.get(name)!.data,
  }));
}

/**
 * What a replica starts from.
 *
 * @param velocities absent at the start of a training
 * @throws LockstepError ERR_STATE_DICT if the tensors are not those of the model
 */
export function parameterValues(
  model: tf.LayersModel,
  names: readonly StateDictName[],
  weights: StateDict,
  velocities?: StateDict,
): ParameterValues[] {
  const weightValues = fromStateDict(names, weights);
  const velocityValues = velocities && fromStateDict(names, velocities);
  return model.trainableWeights.map(({ shape }, index) => ({
    name: names[index]!.name,
    shape: shape as number[],
    weight: weightValues[index]!,
    ...(velocityValues && { velocity: velocityValues[index]! }),
  }));
}

async function readAll(tensors: tf.Tensor[]): Promise<Float32Array[]> {
  const arrays: Float32Array[] = [];
  for (const tensor of tensors) arrays.push(await readBack(tensor));
  return arrays;
}
