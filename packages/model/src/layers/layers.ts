/** Walks the layers of any `tf.LayersModel`. */
import type { tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { type NamedLayer, stableNames } from "./layer-names.ts";

/** A layer object of TensorFlow.js, which may be a model. */
export type Layer = tf.layers.Layer;

/** A layer with its path in the model. */
export interface PlacedLayer {
  layer: Layer;
  /** The names of the models that contain it, then its own name; see `stableNames`. */
  path: string[];
}

interface HasLayers {
  layers: Layer[];
}

/** Returns the layers that compute, in the order of the model's weights. Nested models are replaced by their layers. */
export function placedLayers(model: HasLayers, path: string[] = []): PlacedLayer[] {
  const names = stableNames(model.layers.map(namedLayer));
  return model.layers.flatMap((layer, position) => {
    const here = [...path, at(names, position)];
    return isModel(layer) ? placedLayers(layer, here) : [{ layer, path: here }];
  });
}

/** Returns the layers that compute, as `placedLayers` does, without their paths. */
export function layersOf(model: HasLayers): Layer[] {
  return placedLayers(model).map(({ layer }) => layer);
}

/** Returns whether a layer is a model, which contains layers. */
export function isModel(layer: Layer): layer is Layer & HasLayers & Record<"inputs" | "outputs", tf.SymbolicTensor[]> {
  return "layers" in layer;
}

/** Returns the facts from which the layer's stable name is derived. */
export function namedLayer(layer: Layer): NamedLayer {
  return { name: layer.name, className: layer.getClassName(), isModel: isModel(layer) };
}

/**
 * Returns the layers inside a wrapper (TimeDistributed, Bidirectional) and the cells of a
 * recurrent layer, at any depth.
 */
export function innerLayers(layer: Layer): Layer[] {
  const { layer: wrapped, forwardLayer, backwardLayer, cell, cells = [] } = layer as Partial<Inner>;
  const inner = [wrapped, forwardLayer, backwardLayer, cell, ...cells].filter((part) => part !== undefined);
  return inner
    .flatMap((part) => (isModel(part) ? layersOf(part) : [part]))
    .flatMap((part) => [part, ...innerLayers(part)]);
}

type Inner = Record<"layer" | "forwardLayer" | "backwardLayer" | "cell", Layer> & { cells: Layer[] };

const KERNEL_LAYERS = new Set(["Conv1D", "Conv2D", "Conv3D", "Dense"]);

/** Returns whether the layer's weights are a kernel [..., in, out] and an optional bias [out], as in PyTorch. */
export function hasTorchKernel(layer: Layer): boolean {
  return KERNEL_LAYERS.has(layer.getClassName());
}
