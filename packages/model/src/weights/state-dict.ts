/**
 * Converts weights to PyTorch's names and layouts, so that PyTorch loads a checkpoint with
 * `load_state_dict(strict=True)`.
 *
 * A spec's blocks correspond to PyTorch's `nn.Sequential`s: `conv1 = Sequential(Conv2d, ReLU, MaxPool2d)` has
 * conv1.0.weight; `fc1 = Sequential(Flatten, Linear, ReLU)` has fc1.1.weight. A model without a spec has
 * `<layer>.weight` and `<layer>.bias`. Weights that are not kernels or biases of Dense and Conv layers keep their
 * layout and last name (`norm.gamma`).
 */

import type { tf } from "@lockstep/engine";
import { at, defined, LockstepError } from "@lockstep/errors";
import { elementCount, toTfOrder, toTorchOrder } from "@lockstep/formats";
import { flattenedRowsOf } from "../layers/flattened-rows.ts";
import { graphOf } from "../layers/graph.ts";
import { generatedKind, type NamedLayer, uniqueName } from "../layers/layer-names.ts";
import { hasTorchKernel, innerLayers, type Layer, namedLayer, placedLayers } from "../layers/layers.ts";
import type { ModelSpec } from "../spec/spec.ts";
import { assertStateDict } from "./fit-state-dict.ts";
import { sequentialIndexes } from "./spec-state-dict.ts";
import type { StateDict, StateDictName, StateTensor } from "./state-tensors.ts";
import { weightShape } from "./weight-shape.ts";

/**
 * Returns the name and PyTorch shape of each of `model.trainableWeights`, in that order.
 *
 * The columns of a Dense layer are in CHW order if it follows the Flatten of an image (with channels on any axis), and
 * all layers between them keep every value at its position. The layers may be in different nested models.
 *
 * @throws LockstepError ERR_STATE_DICT if two weights would have the same name, ERR_MODEL_REFUSED if the applications
 *   of a Dense layer need different orders of its columns
 */
export function stateDictNames(model: tf.LayersModel, spec?: ModelSpec): StateDictName[] {
  const indexes = spec === undefined ? new Map<string, number>() : sequentialIndexes(spec);
  const graph = graphOf(model);
  const tensors = placedLayers(model).flatMap(({ layer, path }) => {
    const lastNames = lastNamesOf(layer);
    return layer.trainableWeights.map((weight, index): StateDictName => {
      const shape = weightShape(weight);
      const name = [...path, indexes.get(layer.name) ?? [], at(lastNames, index)].flat().join(".");
      if (!hasTorchKernel(layer) || shape.length === 1) return { name, torchShape: shape };
      const [inputs, outputs] = [at(shape, -2), at(shape, -1)];
      const flattened = layer.getClassName() === "Dense" ? flattenedRowsOf(layer, graph) : undefined;
      if (flattened !== undefined) return { name, torchShape: [outputs, inputs], axes: [...flattened, outputs] };
      const window = shape.slice(0, -2);
      return { name, torchShape: [outputs, inputs, ...window], axes: [elementCount(window), inputs, outputs] };
    });
  });
  const names = tensors.map(({ name }) => name);
  const duplicate = names.find((name, index) => names.indexOf(name) !== index);
  if (duplicate === undefined) return tensors;
  throw new LockstepError(
    "ERR_STATE_DICT",
    `Two weights of the model are both named "${duplicate}"; give its layers different names.`,
  );
}

/**
 * Converts arrays in the order and layout of `model.trainableWeights` (weights, momentum or gradients) to PyTorch's
 * layout. A tensor with the same layout in both shares its memory with `values`.
 */
export function toStateDict(tensors: readonly StateDictName[], values: readonly Float32Array[]): StateDict {
  return new Map(
    tensors.map(({ name, torchShape, axes }, index) => {
      const value = at(values, index);
      return [name, { shape: torchShape, data: axes === undefined ? value : toTorchOrder(value, axes) }];
    }),
  );
}

/**
 * Converts a state dict to TensorFlow.js' order and layout: the inverse of `toStateDict`.
 *
 * @throws LockstepError ERR_STATE_DICT if its tensors are not those of the model
 */
export function fromStateDict(
  tensors: readonly StateDictName[],
  dict: ReadonlyMap<string, StateTensor>,
): Float32Array[] {
  assertStateDict(tensors, dict);
  return tensors.map(({ name, axes }) => {
    const { data } = defined(dict.get(name), `a tensor named ${name}`);
    return axes === undefined ? data : toTfOrder(data, axes);
  });
}

/**
 * Throws if some weights are not trained (frozen ones, a BatchNormalization's averages), because no state dict contains
 * them.
 *
 * @throws LockstepError ERR_MODEL_REFUSED; `assertTrainable` refuses such a model, too
 */
export function assertAllTrainable(model: tf.LayersModel): void {
  const [frozen] = model.nonTrainableWeights;
  if (frozen === undefined) return;
  throw new LockstepError(
    "ERR_MODEL_REFUSED",
    `The weight ${frozen.originalName} is not trained, so it is not among the weights of the run; ` +
      "remove its layer, or set trainable: true on it.",
  );
}

/**
 * Returns the last component of each trainable weight's name: `weight` or `bias` for a Conv or Dense layer, and
 * otherwise the names of the inner layers and of the weight (`forward_gru_0.kernel`).
 */
function lastNamesOf(layer: Layer): string[] {
  if (hasTorchKernel(layer)) {
    return layer.trainableWeights.map(({ originalName }) =>
      originalName.split("/").at(-1) === "bias" ? "bias" : "weight",
    );
  }
  const inner = new Map(innerLayers(layer).map((one) => [one.name, namedLayer(one)]));
  const taken = new Set<string>();
  return layer.trainableWeights.map(({ originalName }) => {
    const [first, ...names] = originalName.split("/") as [string, ...string[]];
    // The weights of a wrapped model do not have the wrapper's name.
    const known = inner.has(first) ? [first, ...names] : names;
    return uniqueName(known.map((name) => innerName(name, inner.get(name))).join("."), taken);
  });
}

/** Returns an inner layer's name without the number that TensorFlow.js generated. Bidirectional adds a prefix to it. */
function innerName(name: string, layer: NamedLayer | undefined): string {
  if (layer === undefined) return name;
  const [, direction = "", own = name] = /^((?:forward|backward)_)?(.*)$/.exec(name) ?? [];
  const kind = generatedKind({ ...layer, name: own });
  return kind === undefined ? name : `${direction}${kind}_0`;
}
