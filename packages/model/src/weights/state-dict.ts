/**
 * The weights in PyTorch's names and layouts, so that a checkpoint loads there with `load_state_dict(strict=True)`.
 *
 * A spec's blocks are PyTorch's `nn.Sequential`s: `conv1 = Sequential(Conv2d, ReLU, MaxPool2d)` makes conv1.0.weight;
 * `fc1 = Sequential(Flatten, Linear, ReLU)` makes fc1.1.weight. A model without a spec has `<layer>.weight` and
 * `<layer>.bias`. Weights that are not kernels or biases of Dense and Conv layers keep their layout and last name
 * (`norm.gamma`).
 */

import type { tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import { elementCount, toTfOrder, toTorchOrder } from "@lockstep/formats";
import { flattenedRowsOf } from "../layers/flattened-rows.ts";
import { graphOf } from "../layers/graph.ts";
import { generatedKind, type NamedLayer, uniqueName } from "../layers/layer-names.ts";
import { hasTorchKernel, innerLayers, type Layer, namedLayer, placedLayers } from "../layers/layers.ts";
import type { ModelSpec } from "../spec/spec.ts";
import { assertStateDict } from "./fit-state-dict.ts";
import { sequentialIndexes } from "./spec-state-dict.ts";
import type { StateDict, StateDictName, StateTensor } from "./state-tensors.ts";

/**
 * Name and PyTorch shape of each of `model.trainableWeights`, in that order.
 *
 * The columns of a Dense layer are in CHW order if it follows the Flatten of an image (whichever axis holds its
 * channels), with nothing but layers that keep every number in its place between them. The layers may lie in different
 * models inside the model.
 *
 * @throws LockstepError ERR_STATE_DICT if two weights would have one name, ERR_MODEL_REFUSED if a Dense layer is applied
 *   in several places that ask for different orders of its columns
 */
export function stateDictNames(model: tf.LayersModel, spec?: ModelSpec): StateDictName[] {
  const indexes = spec === undefined ? new Map<string, number>() : sequentialIndexes(spec);
  const graph = graphOf(model);
  const tensors = placedLayers(model).flatMap(({ layer, path }) => {
    const lastNames = lastNamesOf(layer);
    return layer.trainableWeights.map((weight, index): StateDictName => {
      const shape = weight.shape as number[];
      const prefix = [...path, ...(indexes.has(layer.name) ? [indexes.get(layer.name)!] : [])];
      const name = [...prefix, lastNames[index]!].join(".");
      if (!hasTorchKernel(layer) || shape.length === 1) return { name, torchShape: shape };
      const [inputs, outputs] = shape.slice(-2) as [number, number];
      const flattened = layer.getClassName() === "Dense" ? flattenedRowsOf(layer, graph) : undefined;
      if (flattened !== undefined) return { name, torchShape: [outputs, inputs], axes: [...flattened, outputs] };
      const window = shape.slice(0, -2);
      return { name, torchShape: [outputs, inputs, ...window], axes: [elementCount(window), inputs, outputs] };
    });
  });
  const names = tensors.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return tensors;
  throw new LockstepError(
    "ERR_STATE_DICT",
    `Two weights of the model are both named "${twice}"; give its layers different names.`,
  );
}

/**
 * Arrays in the order and layout of `model.trainableWeights` → PyTorch's. Weights, momentum and gradients alike.
 * A tensor that is laid out alike in both shares its memory with `values`.
 */
export function toStateDict(tensors: readonly StateDictName[], values: readonly Float32Array[]): StateDict {
  return new Map(
    tensors.map(({ name, torchShape, axes }, index) => {
      const value = values[index]!;
      return [name, { shape: torchShape, data: axes === undefined ? value : toTorchOrder(value, axes) }];
    }),
  );
}

/**
 * The inverse of `toStateDict`.
 *
 * @throws LockstepError ERR_STATE_DICT, as `assertStateDict` does
 */
export function fromStateDict(
  tensors: readonly StateDictName[],
  dict: ReadonlyMap<string, StateTensor>,
): Float32Array[] {
  assertStateDict(tensors, dict);
  return tensors.map(({ name, axes }) => {
    const { data } = dict.get(name)!;
    return axes === undefined ? data : toTfOrder(data, axes);
  });
}

/**
 * @throws LockstepError ERR_MODEL_REFUSED for a model with weights that aren't trained (frozen ones, a
 *   BatchNormalization's averages): no state dict holds them. `assertTrainable` refuses such a model, too.
 */
export function assertAllTrainable(model: tf.LayersModel): void {
  const [frozen] = model.nonTrainableWeights;
  if (frozen === undefined) return;
  throw new LockstepError(
    "ERR_MODEL_REFUSED",
    `The weight ${frozen.originalName} is not trained, so it is not among the weights of the run; ` +
      "leave its layer out, or set trainable: true on it.",
  );
}

/**
 * What follows the layer in the name of each of its trainable weights: `weight` and `bias` for a Conv or Dense layer,
 * otherwise the names of the layers inside it and of the weight (`forward_gru_0.kernel`).
 */
function lastNamesOf(layer: Layer): string[] {
  if (hasTorchKernel(layer)) {
    return layer.trainableWeights.map(({ originalName }) =>
      originalName.split("/").at(-1) === "bias" ? "bias" : "weight",
    );
  }
  const inner = new Map(innerLayers(layer).map((part) => [part.name, namedLayer(part)]));
  const taken = new Set<string>();
  return layer.trainableWeights.map(({ originalName }) => {
    const [first, ...names] = originalName.split("/") as [string, ...string[]];
    const known = inner.has(first) ? [first, ...names] : names; // a model that is wrapped was named before its wrapper
    return uniqueName(known.map((name) => innerName(name, inner.get(name))).join("."), taken);
  });
}

/** The name of a layer inside a layer, without the number that TensorFlow.js made up; Bidirectional puts a word before it. */
function innerName(name: string, layer: NamedLayer | undefined): string {
  if (layer === undefined) return name;
  const [, direction = "", own = name] = /^((?:forward|backward)_)?(.*)$/.exec(name)!;
  const kind = generatedKind({ ...layer, name: own });
  return kind === undefined ? name : `${direction}${kind}_0`;
}
