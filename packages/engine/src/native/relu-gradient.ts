/**
 * The gradient of ReLU as TensorFlow's own op. TensorFlow.js makes it of six, the first of which fills an array with
 * ones in JavaScript; and it keeps what goes into a ReLU for it, where what comes out will do.
 */

import { tf } from "../backend/tf.ts";
import { floatType, nodeBackend } from "./node-backend.ts";

/** From now on, wherever native TensorFlow computes. */
export function installReluGradient(): void {
  tf.unregisterGradient("Relu");
  tf.registerGradient({
    kernelName: "Relu",
    outputsToSave: [true],
    gradFunc: (dy, [y]) => ({ x: () => reluGradient(dy as tf.Tensor, y!) }),
  });
}

/** `dy` where `y`, of its shape, is positive; elsewhere 0. */
function reluGradient(dy: tf.Tensor, y: tf.Tensor): tf.Tensor {
  if (tf.getBackend() !== "tensorflow") return tf.where(y.greater(0), dy, tf.zerosLike(dy));
  return nodeBackend().executeSingleOutput("ReluGrad", [floatType("T")], [dy, y]);
}
