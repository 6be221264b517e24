/** For tests: applies layers and models, with the one type of result that TensorFlow.js leaves open. */
import { tf } from "@lockstep/engine";
import { defined } from "@lockstep/testing";

type Inputs = Parameters<tf.layers.Layer["apply"]>[0];

/** Applies a layer to symbolic inputs. @throws Error if it has several outputs, or if the inputs are not symbolic */
export function applied(layer: tf.layers.Layer, inputs: Inputs): tf.SymbolicTensor {
  const output = layer.apply(inputs);
  if (output instanceof tf.SymbolicTensor) return output;
  throw new Error(`Expected one symbolic output of layer ${layer.name}.`);
}

/** Applies layers one after the other. */
export function chain(inputs: tf.SymbolicTensor, ...parts: readonly tf.layers.Layer[]): tf.SymbolicTensor {
  return parts.reduce((x, part) => applied(part, x), inputs);
}

/** Returns the model's output for a batch. @throws Error if it has several outputs */
export function predicted(model: tf.LayersModel, batch: tf.Tensor): tf.Tensor {
  const output = model.predict(batch);
  if (output instanceof tf.Tensor) return output;
  throw new Error(`Expected one output of ${model.name}.`);
}

/** Returns the values of a float32 tensor. */
export function floatsOf(tensor: tf.Tensor): Float32Array {
  const values = tensor.dataSync();
  if (values instanceof Float32Array) return values;
  throw new Error(`Expected a float32 tensor, got ${tensor.dtype}.`);
}

/** Returns a shape without unknown sizes. @throws Error if a size is unknown */
const knownShape = (shape: readonly (number | null)[]): number[] =>
  shape.map((size) => defined(size ?? undefined, "the size of an axis"));

/** Sets all weights of a model, in the order of `model.weights`. */
export function assignWeights(model: tf.LayersModel, values: readonly (Float32Array | readonly number[])[]): void {
  const tensors = model.weights.map(({ shape }, index) =>
    tf.tensor(Float32Array.from(defined(values[index])), knownShape(shape)),
  );
  model.setWeights(tensors);
  tf.dispose(tensors);
}
