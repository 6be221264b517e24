import type { tf } from "@lockstep/engine";

/**
 * Names of the Dense layers whose kernel's gradient is XᵀΔ, with X [rows, in] the layer's input and Δ [rows, out] the
 * gradient at its output: those that are used once, on input of rank 2. (Of one used twice it is a sum of two
 * products.) Layers of a model inside the model are left out, because how often they are used does not show.
 */
export function factorableLayers(model: tf.LayersModel): string[] {
  const dense = model.layers.filter((layer) => layer.getClassName() === "Dense" && layer.inboundNodes.length === 1);
  return dense.filter(({ input }) => (input as tf.SymbolicTensor).shape.length === 2).map(({ name }) => name);
}
