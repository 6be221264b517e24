/** Computes the names and shapes of a spec's state dict without TensorFlow.js, for a coordinator without workers. */

import { at } from "@lockstep/errors";
import { describeModel } from "../spec/describe.ts";
import { layerNames, type ModelSpec } from "../spec/spec.ts";
import type { ExpectedTensor } from "./state-tensors.ts";

/**
 * Returns the name and PyTorch shape of each weight in the model's order, as `stateDictNames` does for the built model.
 *
 * @throws LockstepError ERR_MODEL_SPEC that names the layer whose input does not fit
 */
export function specStateDict(spec: ModelSpec): ExpectedTensor[] {
  const { rows } = describeModel(spec);
  const modules = sequentialIndexes(spec);
  return spec.layers.flatMap((layer, index): ExpectedTensor[] => {
    if (layer.type !== "conv" && layer.type !== "dense") return [];
    const inputs = at(index === 0 ? spec.inputShape : at(rows, index - 1).output, -1);
    const outputs = at(at(rows, index).output, -1);
    const window = layer.type === "conv" ? [layer.kernel, layer.kernel] : [];
    const path = `${layer.name}.${modules.get(layer.name)}`;
    return [
      { name: `${path}.weight`, torchShape: [outputs, inputs, ...window] },
      { name: `${path}.bias`, torchShape: [outputs] },
    ];
  });
}

/** Returns the index of each conv and dense layer in its nn.Sequential: 1 after a Flatten, otherwise 0. */
export function sequentialIndexes(spec: ModelSpec): Map<string, number> {
  const names = layerNames(spec);
  return new Map(
    spec.layers.flatMap(({ type }, index): [string, number][] => {
      if (type === "conv") return [[at(names, index), 0]];
      return type === "dense" ? [[at(names, index), spec.layers[index - 1]?.type === "flatten" ? 1 : 0]] : [];
    }),
  );
}
