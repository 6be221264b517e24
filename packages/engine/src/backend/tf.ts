/** TensorFlow.js. Every other file imports it from here. */
import { tf } from "../../tfjs/index.js";

// TensorFlow.js prints a greeting on Node without tfjs-node. Production mode prevents it.
tf.enableProdMode();

export { tf };
