/** TensorFlow.js. Every other file imports it from here. */
import * as tf from "@tensorflow/tfjs";

// TensorFlow.js prints a greeting on Node without tfjs-node. Production mode prevents it.
tf.enableProdMode();

export { tf };
