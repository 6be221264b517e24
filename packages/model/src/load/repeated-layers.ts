/** Supports Sequential models that contain one layer object several times. */
import { tf } from "@lockstep/engine";
import { isModel, type Layer } from "../layers/layers.ts";

/**
 * Changes every Sequential with a repeated layer, the model itself included, so that it counts the layer's weights once
 * and describes itself as a graph. TensorFlow.js alone counts such weights each time, and cannot load the model that it
 * saves, because a saved Sequential is a list of layers that does not record that two of them are the same object.
 */
export function countRepeatedLayersOnce(model: tf.LayersModel): void {
  for (const layer of model.layers) if (isModel(layer)) countRepeatedLayersOnce(layer as Layer as tf.LayersModel);
  const { layers } = model;
  if (!(model instanceof tf.Sequential) || new Set(layers).size === layers.length) return;
  const [{ shape, dtype }] = model.inputs as [tf.SymbolicTensor];
  const inputs = tf.input({ batchShape: shape, dtype });
  const outputs = layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, inputs);
  const graph = tf.model({ name: model.name, inputs, outputs });
  Object.assign(model, {
    // Layers without weights stay, because a layer with a generated name is named by its position.
    layers: layers.filter((layer, position) => layer.weights.length === 0 || layers.indexOf(layer) === position),
    getClassName: () => graph.getClassName(),
    getConfig: () => graph.getConfig(),
  });
}
