/** The gradient of max-pooling. The stock kernel ignores maxima below 1e-38. */
import { readBack } from "../backend/read-back.ts";
import { tf } from "../backend/tf.ts";
import type { KernelCall } from "./kernel-call.ts";

/**
 * Computes the gradient for inputs with negative numbers; returns undefined for others, such as the output of a ReLU.
 * Windows with a positive maximum find it in relu(x); in the others it is the number with the largest 1 / |x|:
 *
 *     dx = grad(dy · [y > 0], relu(x)) + grad(dy · [y ≤ 0], 1 / |x|)
 */
export function maxPoolBackprop({
  inputs: { dy, input, output },
  attrs,
}: KernelCall<{ dy: tf.Tensor; input: tf.Tensor; output: tf.Tensor }, tf.NamedAttrMap>): tf.Tensor | undefined {
  return tf.tidy(() => {
    const [lowest = Number.NaN] = readBack(tf.min(input)) as Float32Array;
    if (!(lowest < 0)) return undefined; // also for NaN, which the loss will show
    const gradient = (delta: tf.Tensor, x: tf.Tensor): tf.Tensor =>
      tf.engine().runKernel(tf.MaxPoolGrad, { dy: delta, input: x, output }, attrs);
    const isAbove = tf.cast(tf.greater(output, 0), "float32");
    return tf.add(
      gradient(tf.mul(dy, isAbove), tf.relu(input)),
      gradient(tf.mul(dy, tf.sub(1, isAbove)), tf.reciprocal(tf.abs(input))),
    );
  });
}
