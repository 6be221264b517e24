/**
 * Records the source of each weight: the layer that made it, its role and its initializer, and whether it was written
 * afterwards.
 *
 * TensorFlow.js does not keep a weight's initializer. So loading this module, which happens before any model is loaded,
 * wraps `addWeight`, through which every layer makes its weights.
 */
import { tf } from "@lockstep/engine";
import type { Layer } from "../layers/layers.ts";

/** An initializer of TensorFlow.js or of the user. */
export interface Initializer {
  apply(shape: number[], dtype?: tf.DataType): tf.Tensor;
  getClassName(): string;
  getConfig(): Record<string, unknown>;
}

/** The layer that made a weight, its role there, and its initializer. */
export interface WeightSource {
  /** The layer that made the weight: the cell of a recurrent layer, or the layer inside a wrapper. */
  layer: Layer;
  /** The layer's name for the weight: kernel, bias, gamma, … */
  role: string;
  initializer: Initializer;
}

interface RecordedSource extends WeightSource {
  /** The tensor with the initial values. Writing a weight replaces its tensor. */
  dataId: object;
}

/** The protected members of TensorFlow.js that this module uses. */
interface OpenVariable {
  val: tf.Variable;
}
type AddWeight = (
  this: Layer,
  name: string,
  shape: number[],
  dtype: tf.DataType | undefined,
  initializer: Initializer,
  ...more: unknown[]
) => tf.LayerVariable;

const recordedSources = new WeakMap<tf.LayerVariable, RecordedSource>();

const prototype = tf.layers.Layer.prototype as unknown as { addWeight: AddWeight };
const { addWeight } = prototype;
prototype.addWeight = function (name, shape, dtype, initializer, ...more) {
  const weight = addWeight.call(this, name, shape, dtype, initializer, ...more);
  recordedSources.set(weight, { layer: this, role: name, initializer, dataId: dataOf(weight) });
  return weight;
};

/** Returns the source of a weight; undefined if its layer made it without `addWeight`. */
export function weightSource(weight: tf.LayerVariable): WeightSource | undefined {
  return recordedSources.get(weight);
}

/**
 * Returns whether the weight was written after its layer made it: by `setWeights`, `tf.loadLayersModel`, the layer's
 * option `weights`, `assign` or an optimizer. Call it before a replica replaces the weight.
 */
export function isWritten(weight: tf.LayerVariable): boolean {
  const recorded = recordedSources.get(weight);
  return recorded !== undefined && recorded.dataId !== dataOf(weight);
}

function dataOf(weight: tf.LayerVariable): object {
  return (weight as unknown as OpenVariable).val.dataId;
}
