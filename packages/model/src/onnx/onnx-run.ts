/**
 * Computes what an ONNX model says, by the operators that `onnxGraphOf` uses. It knows nothing of the layers that the
 * graph was made of: it is the reader that shows whether an export means what the model computes.
 *
 * Source: https://onnx.ai/onnx/operators/ (Conv, MaxPool, AveragePool, GlobalAveragePool, Pad, Sum, Flatten, Gemm, Relu)
 */
import { tf } from "@lockstep/engine";
import type { OnnxNode, OnnxProgram } from "@lockstep/formats";

type Attributes = OnnxNode["attributes"];
type Operator = (inputs: tf.Tensor[], attributes: Attributes) => tf.Tensor;
type Pair = [number, number];

/** Less than any number that a maximum is taken of. */
const LOWEST = -3.4e38;

const OPERATORS: Readonly<Record<string, Operator>> = {
  Identity: ([x]) => x!.clone(),
  Relu: ([x]) => x!.relu(),
  Sum: (inputs) => inputs.reduce((sum, x) => sum.add(x)),
  Flatten: ([x]) => x!.reshape([x!.shape[0]!, -1]),
  GlobalAveragePool: ([x]) => x!.mean([2, 3], true),
  Gemm([x, weight, bias], { transB }) {
    const product = tf.matMul(x!, weight!, false, transB === 1);
    return bias === undefined ? product : product.add(bias);
  },
  Pad([x, pads]) {
    const numbers = pads!.dataSync();
    return x!.pad(x!.shape.map((_, axis): Pair => [numbers[axis]!, numbers[axis + x!.rank]!]));
  },
  Conv([x, weight, bias], { strides, dilations, pads }) {
    const kernel = weight!.transpose<tf.Tensor4D>([2, 3, 1, 0]);
    const y = onRows(padded(x!, pads, 0), (image) =>
      tf.conv2d(image, kernel, strides as Pair, "valid", "NHWC", dilations as Pair),
    );
    return bias === undefined ? y : y.add(bias.reshape([1, -1, 1, 1]));
  },
  MaxPool: ([x], { kernel_shape, strides, pads }) =>
    onRows(padded(x!, pads, LOWEST), (image) => tf.maxPool(image, kernel_shape as Pair, strides as Pair, "valid")),
  // The mean of a window's numbers, of which those in the padding are none.
  AveragePool([x], { kernel_shape, strides, pads }) {
    const mean = (values: tf.Tensor) =>
      onRows(padded(values, pads, 0), (image) => tf.avgPool(image, kernel_shape as Pair, strides as Pair, "valid"));
    return mean(x!).div(mean(tf.onesLike(x!)));
  },
};

/**
 * Returns the logits [batch, classes] of images [batch, height, width, channels].
 *
 * @throws RangeError for an operator that is not among those above
 */
export function runOnnx({ nodes, tensors }: OnnxProgram, images: tf.Tensor4D): tf.Tensor2D {
  return tf.tidy(() => {
    const values = new Map<string, tf.Tensor>([["images", images.transpose([0, 3, 1, 2])]]);
    for (const [name, { data, shape }] of tensors) values.set(name, tf.tensor(data, shape, "float32"));
    for (const { operator, name, inputs, attributes } of nodes) {
      const compute = OPERATORS[operator];
      if (compute === undefined) throw new RangeError(`The operator ${operator} is not known.`);
      const operands = inputs.map((input) => values.get(input)!);
      values.set(name, compute(operands, attributes));
    }
    return values.get("logits") as tf.Tensor2D;
  });
}

/** [top, left, bottom, right] cells of `value` around each image. */
function padded(x: tf.Tensor, pads: Attributes[string] | undefined, value: number): tf.Tensor {
  const [top, left, bottom, right] = pads as [number, number, number, number];
  return x.pad(
    [
      [0, 0],
      [0, 0],
      [top, bottom],
      [left, right],
    ],
    value,
  );
}

/** Applies to [batch, channels, height, width] what is computed on [batch, height, width, channels]. */
function onRows(x: tf.Tensor, compute: (image: tf.Tensor4D) => tf.Tensor): tf.Tensor {
  return compute(x.transpose<tf.Tensor4D>([0, 2, 3, 1])).transpose([0, 3, 1, 2]);
}
