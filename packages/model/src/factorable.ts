import { isModel, type Layer } from "./layers.ts";
import type { tf } from "@lockstep/engine";

/**
 * Names of the Dense layers whose kernel's gradient is XᵀΔ, with X [rows, in] the layer's input and Δ [rows, out] the
 * gradient at its output: those that are used once, on input of rank 2. Of one used twice it is a sum of two products,
 * and a name that two layers share stands for neither.
 */
export function factorableLayers(model: tf.LayersModel): string[] {
  const names = layersUsedOnce(model).filter(isDenseOnRows).map(({ name }) => name);
  return names.filter((name) => names.indexOf(name) === names.lastIndexOf(name));
}

/** A model inside a model has one node for itself and one for each use; any other layer has only those for its uses. */
function layersUsedOnce({ layers }: { layers: Layer[] }): Layer[] {
  return layers.flatMap((layer) => {
    if (isModel(layer)) return layer.inboundNodes.length === 2 ? layersUsedOnce(layer) : [];
    return layer.inboundNodes.length === 1 ? [layer] : [];
  });
}

function isDenseOnRows(layer: Layer): boolean {
  return layer.getClassName() === "Dense" && (layer.input as tf.SymbolicTensor).shape.length === 2;
}
