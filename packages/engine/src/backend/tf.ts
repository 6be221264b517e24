/** TensorFlow.js, which every other file imports from here. */
import * as tf from "@tensorflow/tfjs";

// TensorFlow.js greets whoever runs it on Node without tfjs-node; production mode keeps it quiet.
tf.enableProdMode();

export { tf };
