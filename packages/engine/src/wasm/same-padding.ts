/** Convolutions with padding "same", which the stock kernels leave to XNNPACK. */
import { tf } from "../backend/tf.ts";
import type { KernelCall } from "./kernel-call.ts";

type ConvolutionInputs = { x: tf.Tensor4D; filter: tf.Tensor4D };

/**
 * Makes a kernel that runs the same convolution with numeric padding; it returns undefined for other paddings. If the
 * stride skips pixels, XNNPACK's own rule for "same" gives a negative padding, and the result is all zeros.
 *
 * @param kernelName Conv2D or FusedConv2D
 */
export const withNumericPadding =
  (kernelName: string) =>
  ({ inputs, attrs }: KernelCall<ConvolutionInputs, tf.Conv2DAttrs>): tf.Tensor | undefined => {
    if (attrs.pad !== "same") return undefined;
    const { strides, dilations, pad } = attrs;
    const { padInfo } = tf.backend_util.computeConv2DInfo(inputs.x.shape, inputs.filter.shape, strides, dilations, pad);
    const rows = [padInfo.top, padInfo.bottom];
    const columns = [padInfo.left, padInfo.right];
    return tf.engine().runKernel(kernelName, inputs, { ...attrs, pad: [[0, 0], rows, columns, [0, 0]] });
  };
