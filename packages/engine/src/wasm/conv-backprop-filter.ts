/** The gradient of a convolution with respect to its filter, for which the WASM backend has no kernel. */
import { tf } from "../backend/tf.ts";
import type { KernelCall } from "./kernel-call.ts";

/**
 * Computes the gradient as another convolution. With s the stride and p the padding before (likewise in width; a
 * convolution with a dilation has no gradient in TensorFlow.js):
 *
 *     dfilter[i, j, ci, co] = Σ over n, h, w of x[n, h·s + i − p, w·s + j − p, ci] · dy[n, h, w, co]
 *
 * This is a convolution of x with dy as the filter, where the channels of x are the images, the images are
 * the channels that are summed over, and s is the dilation of the filter.
 */
export function convBackpropFilter({
  inputs: { x, dy },
  attrs: { filterShape, strides, pad, dimRoundingMode },
}: KernelCall<{ x: tf.Tensor4D; dy: tf.Tensor4D }, tf.Conv2DBackpropFilterAttrs>): tf.Tensor {
  const conv = tf.backend_util.computeConv2DInfo(x.shape, filterShape, strides, 1, pad, dimRoundingMode);
  const { filterHeight, filterWidth, strideHeight, strideWidth } = conv;
  const { top, left } = conv.padInfo;
  // The padding behind is what the last step of the stride reaches over.
  const bottom = Math.max(0, filterHeight + (conv.outHeight - 1) * strideHeight - top - conv.inHeight);
  const right = Math.max(0, filterWidth + (conv.outWidth - 1) * strideWidth - left - conv.inWidth);
  const padding: tf.backend_util.ExplicitPadding = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
  return tf.tidy(() => {
    const images = tf.transpose(x, [3, 1, 2, 0]); // [channels in, height, width, batch]
    const weights = tf.transpose(dy, [1, 2, 0, 3]); // [height out, width out, batch, channels out]
    const sums = tf.conv2d(images, weights, 1, padding, "NHWC", [strideHeight, strideWidth]);
    // Pixels of x that no step of the stride reaches yield rows and columns that the filter does not have.
    const dfilter = tf.slice(sums, [0, 0, 0, 0], [-1, filterHeight, filterWidth, -1]);
    return tf.transpose(dfilter, [1, 2, 0, 3]);
  });
}
