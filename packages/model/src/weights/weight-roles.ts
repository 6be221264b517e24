/** Finds the weights that the rules of `--init` draw, by their role in their layer. */

import type { tf } from "@lockstep/engine";
import { elementCount } from "@lockstep/formats";
import { hasTorchKernel } from "../layers/layers.ts";
import { weightSource } from "./weight-sources.ts";

/** Standard layers whose kernels are drawn. Recurrent layers are represented by their cells. */
const LAYERS_WITH_KERNELS = new Set(
  `Dense Conv1D Conv2D Conv3D Conv2DTranspose Conv3DTranspose SeparableConv2D DepthwiseConv2D
  SimpleRNNCell GRUCell LSTMCell ConvLSTM2DCell`.split(/\s+/),
);
const KERNELS = new Set(["kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel"]);

/** Returns whether the weight multiplies the inputs of a standard layer. */
export function isKernel(weight: tf.LayerVariable): boolean {
  const source = weightSource(weight);
  return source !== undefined && KERNELS.has(source.role) && LAYERS_WITH_KERNELS.has(source.layer.getClassName());
}

/** Returns whether the weight is the bias of a layer that also has one in PyTorch: Dense or a convolution. */
export function isTorchBias(weight: tf.LayerVariable): boolean {
  const source = weightSource(weight);
  return source?.role === "bias" && hasTorchKernel(source.layer);
}

/** Returns the fan-in: the product of all axes of a kernel but the last, or of the window only if it is depthwise. */
export function fanInOf(kernel: tf.LayerVariable): number {
  const isDepthwise = weightSource(kernel)?.role === "depthwise_kernel";
  return elementCount(kernel.shape.slice(0, isDepthwise ? -2 : -1));
}
