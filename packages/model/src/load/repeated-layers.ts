/** Sequential models that hold one layer object in several places. */
import { tf } from "@lockstep/engine";
import { isModel, type Layer } from "../layers/layers.ts";

/**
 * Makes every Sequential in the model, or the model itself, that holds a layer several times have its weights once, and
 * describe itself as the graph that it is. By itself TensorFlow.js counts such weights each time, and cannot load what
 * it saves, because a Sequential is saved as a list of layers that no longer tells that two of them are one.
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
    // What has no weights stays where it is, because layers without a name are called by their position.
    layers: layers.filter((layer, position) => layer.weights.length === 0 || layers.indexOf(layer) === position),
    getClassName: () => graph.getClassName(),
    getConfig: () => graph.getConfig(),
  });
}
