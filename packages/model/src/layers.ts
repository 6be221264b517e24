/** Walking over the layers of any `tf.LayersModel`. */
import type { tf } from "@lockstep/engine";

export type Layer = tf.layers.Layer;

/** A layer with its place in the model. */
export interface PlacedLayer {
  layer: Layer;
  /**
   * Its name, after the names of the models that hold it. A layer that was given no name gets its kind and its
   * position (`dense_3`): TensorFlow.js numbers such layers by all that the process ever made, so its own name
   * (`dense_Dense7`) would change from process to process.
   */
  path: string[];
}

interface HasLayers {
  layers: Layer[];
}

/** The layers that compute, in the order of the model's weights; models inside the model are opened. */
export function placedLayers(model: HasLayers, path: string[] = []): PlacedLayer[] {
  return model.layers.flatMap((layer, position) => {
    const here = [...path, stableName(layer.name, position)];
    return isModel(layer) ? placedLayers(layer, here) : [{ layer, path: here }];
  });
}

export function layersOf(model: HasLayers): Layer[] {
  return placedLayers(model).map(({ layer }) => layer);
}

export function isModel(layer: Layer): layer is Layer & HasLayers & Record<"inputs" | "outputs", tf.SymbolicTensor[]> {
  return "layers" in layer;
}

/** What a wrapper wraps (TimeDistributed, Bidirectional) and the cells of a recurrent layer, at any depth. */
export function innerLayers(layer: Layer): Layer[] {
  const { layer: wrapped, forwardLayer, backwardLayer, cell, cells = [] } = layer as Partial<Inner>;
  const inner = [wrapped, forwardLayer, backwardLayer, cell, ...cells].filter((part) => part !== undefined);
  return inner
    .flatMap((part) => (isModel(part) ? layersOf(part) : [part]))
    .flatMap((part) => [part, ...innerLayers(part)]);
}

type Inner = Record<"layer" | "forwardLayer" | "backwardLayer" | "cell", Layer> & { cells: Layer[] };

/** The name that TensorFlow.js makes up: `dense_Dense7`, `sequential_2`, `model3`; the kind is what stands first. */
const MADE_UP_NAME = /^(?:([a-z0-9_]+)_[A-Z][A-Za-z0-9]*?|(sequential)_|(model))\d+$/;

export function isMadeUpName(name: string): boolean {
  return MADE_UP_NAME.test(name);
}

/** `name`, or what it says of the layer's kind and `suffix` if TensorFlow.js made it up. */
export function stableName(name: string, suffix: number): string {
  const match = MADE_UP_NAME.exec(name);
  return match === null ? name : `${match[1] ?? match[2] ?? match[3]}_${suffix}`;
}

const KERNEL_LAYERS = new Set(["Conv1D", "Conv2D", "Conv3D", "Dense"]);

/** Whether the layer's weights are a kernel [..., in, out] and perhaps a bias [out], as PyTorch's have them too. */
export function hasTorchKernel(layer: Layer): boolean {
  return KERNEL_LAYERS.has(layer.getClassName());
}

export function elementCount(shape: readonly (number | null)[]): number {
  return shape.reduce<number>((product, length) => product * (length ?? 1), 1);
}
