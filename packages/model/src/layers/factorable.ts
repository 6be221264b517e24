/** Finds the Dense kernels whose gradients can be sent as two factors. */
import type { tf } from "@lockstep/engine";
import { graphOf } from "./graph.ts";

/**
 * Indexes among `model.weights` of the Dense kernels whose gradient is XᵀΔ, with X [rows, in] the layer's input and Δ
 * [rows, out] the gradient at its output. The layer has a bias and is applied once, to input of rank 2: the gradient of
 * one that is applied twice is a sum of two products.
 */
export function factorableKernels(model: tf.LayersModel): number[] {
  const dense = graphOf(model).applications.filter(({ layer }) => layer.getClassName() === "Dense");
  const factorable = dense.filter(({ layer, inputs }) => {
    const places = dense.filter((other) => other.layer === layer).length;
    return places === 1 && layer.weights.length > 1 && inputs[0]!.shape.length === 2;
  });
  return factorable.map(({ layer }) => model.weights.indexOf(layer.weights[0]!));
}
