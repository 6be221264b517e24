/**
 * The origins of weights: which layer made each, in which role and with which initialiser, and whether
 * it was written afterwards.
 *
 * TensorFlow.js forgets the initialiser of a weight. So `addWeight`, through which every layer makes its weights, is
 * wrapped as soon as this module is loaded, which is before any model is.
 */
import { tf } from "@lockstep/engine";
import type { Layer } from "../layers/layers.ts";

/** An initialiser of TensorFlow.js, or one of the user's. */
export interface Initializer {
  apply(shape: number[], dtype?: tf.DataType): tf.Tensor;
  getClassName(): string;
  getConfig(): Record<string, unknown>;
}

/** The origin of a weight says which layer made it, and how. */
export interface WeightSource {
  /** The layer that made the weight: the cell of a recurrent layer, or the layer inside a wrapper. */
  layer: Layer;
  /** The layer's name for it: kernel, bias, gamma, … */
  role: string;
  initializer: Initializer;
}

interface RecordedSource extends WeightSource {
  /** The tensor with the values that the layer made. Writing a weight gives it another tensor. */
  dataId: object;
}

/** The protected members of TensorFlow.js that are needed here. */
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

/** Undefined for a weight that its layer made without `addWeight`. */
export function weightSource(weight: tf.LayerVariable): WeightSource | undefined {
  return recordedSources.get(weight);
}

/**
 * Whether something has written the weight since its layer made it: `setWeights`, `tf.loadLayersModel`, the layer's
 * option `weights`, `assign`, or an optimizer. To be asked before a replica takes the place of the weight.
 */
export function isWritten(weight: tf.LayerVariable): boolean {
  const recorded = recordedSources.get(weight);
  return recorded !== undefined && recorded.dataId !== dataOf(weight);
}

function dataOf(weight: tf.LayerVariable): object {
  return (weight as unknown as OpenVariable).val.dataId;
}
