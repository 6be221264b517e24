/**
 * AlexNet for CIFAR-10 with a softmax at its end, to see what that does: the loss contains a softmax already.
 *
 *   pnpm train --model docs/examples/alexnet-with-softmax.ts --allow-softmax
 */
import { alexnetCifar10, buildModel, type ModelFactory } from "@lockstep/model";

const alexnetWithSoftmax: ModelFactory = ({ tf, numClasses }) => {
  const { inputs, outputs } = buildModel(alexnetCifar10({ numClasses }));
  const probabilities = tf.layers.softmax({ name: "softmax" }).apply(outputs[0]!) as (typeof outputs)[0];
  return tf.model({ name: "AlexNet_CIFAR10_softmax", inputs, outputs: probabilities! });
};

export default alexnetWithSoftmax;
