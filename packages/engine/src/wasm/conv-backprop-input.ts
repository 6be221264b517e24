/** The gradient of a convolution with respect to its input. */
import { tf } from "../backend/tf.ts";
import type { KernelCall } from "./kernel-call.ts";

/**
 * Computes the gradient as another convolution, for stride 1, paddings below the filter's size and NHWC; returns
 * undefined for other calls. With p the padding before and K the filter's size (likewise in width):
 *
 *     dx[n, h, w, ci] = Σ over i, j, co of dy[n, h + p − i, w + p − j, co] · filter[i, j, ci, co]
 *
 * This is the convolution of dy, padded by K − 1 − p, with the filter reversed in height and width and with its
 * channel axes swapped.
 */
export function convBackpropInput({
  inputs: { dy, filter },
  attrs: { inputShape, strides, pad, dimRoundingMode, dataFormat },
}: KernelCall<{ dy: tf.Tensor4D; filter: tf.Tensor4D }, tf.Conv2DBackpropInputAttrs>): tf.Tensor | undefined {
  const { strideHeight, strideWidth, filterHeight, filterWidth, padInfo } = tf.backend_util.computeConv2DInfo(
    inputShape,
    filter.shape,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
  const rows: [number, number] = [filterHeight - 1 - padInfo.top, filterHeight - 1 - padInfo.bottom];
  const columns: [number, number] = [filterWidth - 1 - padInfo.left, filterWidth - 1 - padInfo.right];
  if (strideHeight !== 1 || strideWidth !== 1 || Math.min(...rows, ...columns) < 0) return undefined;
  if (dataFormat === "NCHW") return undefined;

  return tf.tidy(() => {
    // Height and width are reversed as one axis, because that is faster.
    const reversed = tf.reverse(tf.reshape(filter, [filterHeight * filterWidth, -1]), 0);
    const turned = tf.transpose(tf.reshape<tf.Rank.R4>(reversed, filter.shape), [0, 1, 3, 2]);
    return tf.conv2d(dy, turned, 1, [[0, 0], rows, columns, [0, 0]]);
  });
}
