/**
 * The gradient of ReLU as TensorFlow's own op. TensorFlow.js composes it of six ops, the first of which fills an array
 * with ones in JavaScript, and saves the input of the ReLU for it, where the output suffices.
 */

import { defined } from "@lockstep/errors";
import { tf } from "../backend/tf.ts";
import { floatType, nodeBackend } from "./node-backend.ts";

/** Registers the gradient, for wherever native TensorFlow computes. */
export function installReluGradient(): void {
  tf.unregisterGradient("Relu");
  tf.registerGradient({
    kernelName: "Relu",
    outputsToSave: [true],
    gradFunc: (dy, [y]) => ({ x: () => reluGradient(dy as tf.Tensor, defined(y, "the saved output of the ReLU")) }),
  });
}

/** Returns `dy` where `y`, of the same shape, is positive, else 0. */
function reluGradient(dy: tf.Tensor, y: tf.Tensor): tf.Tensor {
  if (tf.getBackend() !== "tensorflow") return tf.where(y.greater(0), dy, tf.zerosLike(dy));
  return nodeBackend().executeSingleOutput("ReluGrad", [floatType("T")], [dy, y]);
}
