/** Softmax cross-entropy on logits, as sums over rows. */
import { readBack, tf } from "@lockstep/engine";

/** Returns Σ over rows of −log softmax(logits)[label], a scalar that is differentiable in the logits. */
export function crossEntropySum(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  const oneHot = tf.oneHot(labels, logits.shape[1]);
  return tf.losses.softmaxCrossEntropy(oneHot, logits, undefined, undefined, tf.Reduction.SUM);
}

/** Returns the number of rows whose largest logit is at the label, as a scalar. */
export function correctSum(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  return logits.argMax(1).equal(labels).sum<tf.Scalar>().toFloat();
}

/** Reads several scalars with one copy, and disposes of them. */
export async function readScalars(scalars: tf.Scalar[]): Promise<number[]> {
  const packed = tf.stack(scalars);
  const values = await readBack(packed);
  tf.dispose([packed, ...scalars]);
  return [...values];
}
