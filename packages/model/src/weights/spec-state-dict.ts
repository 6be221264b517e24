/** The state dict of a spec, worked out without TensorFlow.js: what a coordinator knows of weights before workers come. */

import { describeModel } from "../spec/describe.ts";
import { layerNames, type ModelSpec } from "../spec/spec.ts";
import type { ExpectedTensor } from "./state-tensors.ts";

/**
 * Returns name and PyTorch shape of each weight, in the model's order: what `stateDictNames` says of the built model.
 *
 * @throws LockstepError ERR_MODEL_SPEC that names the layer whose input does not fit it
 */
export function specStateDict(spec: ModelSpec): ExpectedTensor[] {
  const { rows } = describeModel(spec);
  const modules = sequentialIndexes(spec);
  return spec.layers.flatMap((layer, index): ExpectedTensor[] => {
    if (layer.type !== "conv" && layer.type !== "dense") return [];
    const inputs = (index === 0 ? spec.inputShape : rows[index - 1]!.output).at(-1)!;
    const outputs = rows[index]!.output.at(-1)!;
    const window = layer.type === "conv" ? [layer.kernel, layer.kernel] : [];
    const path = `${layer.name}.${modules.get(layer.name)}`;
    return [
      { name: `${path}.weight`, torchShape: [outputs, inputs, ...window] },
      { name: `${path}.bias`, torchShape: [outputs] },
    ];
  });
}

/** Returns the index of each conv and dense layer in its nn.Sequential: after a Flatten 1, else 0. */
export function sequentialIndexes(spec: ModelSpec): Map<string, number> {
  const names = layerNames(spec);
  return new Map(
    spec.layers.flatMap(({ type }, index): [string, number][] => {
      if (type === "conv") return [[names[index]!, 0]];
      return type === "dense" ? [[names[index]!, spec.layers[index - 1]?.type === "flatten" ? 1 : 0]] : [];
    }),
  );
}
