/** Finds the Dense kernels whose gradients can be sent as two factors. */
import type { tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { graphOf } from "./graph.ts";

/**
 * Returns the indexes in `model.weights` of the Dense kernels whose gradient is XᵀΔ, where X [rows, in] is the layer's
 * input and Δ [rows, out] the gradient at its output. Such a layer has a bias and is applied once, to an input of rank
 * 2. If a layer is applied twice, its gradient is a sum of two products.
 */
export function factorableKernels(model: tf.LayersModel): number[] {
  const dense = graphOf(model).applications.filter(({ layer }) => layer.getClassName() === "Dense");
  const factorable = dense.filter(({ layer, inputs }) => {
    const places = dense.filter((other) => other.layer === layer).length;
    return places === 1 && layer.weights.length > 1 && inputs[0]?.shape.length === 2;
  });
  return factorable.map(({ layer }) => model.weights.indexOf(at(layer.weights, 0)));
}
