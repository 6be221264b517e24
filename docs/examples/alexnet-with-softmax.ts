/**
 * AlexNet for CIFAR-10 with a softmax at its end, to see what that does: the loss contains a softmax already.
 *
 *   pnpm train --model docs/examples/alexnet-with-softmax.ts --allow-softmax
 */
import { alexnetCifar10, buildModel, type ModelFactory } from "@lockstep/model";

const alexnetWithSoftmax: ModelFactory = ({ tf, numClasses }) => {
  const { inputs, outputs } = buildModel(alexnetCifar10({ numClasses }));
  const softmax = tf.layers.softmax({ name: "softmax" });
  const probabilities = outputs.map((logits) => softmax.apply(logits) as typeof logits);
  return tf.model({ name: "AlexNet_CIFAR10_softmax", inputs, outputs: probabilities });
};

export default alexnetWithSoftmax;
