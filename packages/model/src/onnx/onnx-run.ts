/**
 * Runs an ONNX model that consists of the operators that `onnxGraphOf` uses. It is independent of the original layers,
 * so it verifies that an export computes what the model computes.
 *
 * Source: https://onnx.ai/onnx/operators/ (Conv, MaxPool, AveragePool, GlobalAveragePool, Pad,
 * Sum, Flatten, Gemm, Relu)
 */
import { tf } from "@lockstep/engine";
import { at, defined } from "@lockstep/errors";
import type { OnnxNode, OnnxProgram } from "@lockstep/formats";

type Attributes = OnnxNode["attributes"];
type Attribute = Attributes[string] | undefined;
type Operator = (inputs: tf.Tensor[], attributes: Attributes) => tf.Tensor;
type Pair = [number, number];

/** Padding value of a maximum, below any real value. */
const LOWEST = -3.4e38;

const OPERATORS: Readonly<Record<string, Operator>> = {
  Identity: (inputs) => at(inputs, 0).clone(),
  Relu: (inputs) => at(inputs, 0).relu(),
  Sum: (inputs) => inputs.reduce((sum, x) => sum.add(x)),
  Flatten(inputs) {
    const x = at(inputs, 0);
    return x.reshape([at(x.shape, 0), -1]);
  },
  GlobalAveragePool: (inputs) => at(inputs, 0).mean([2, 3], true),
  Gemm(inputs, { transB }) {
    const bias = inputs[2];
    const product = tf.matMul(at(inputs, 0), at(inputs, 1), false, transB === 1);
    return bias === undefined ? product : product.add(bias);
  },
  Pad(inputs) {
    const x = at(inputs, 0);
    const pads = at(inputs, 1).dataSync();
    return x.pad(x.shape.map((_, axis): Pair => [at(pads, axis), at(pads, axis + x.rank)]));
  },
  Conv(inputs, { strides, dilations, pads }) {
    const bias = inputs[2];
    const kernel = at(inputs, 1).transpose<tf.Tensor4D>([2, 3, 1, 0]);
    const y = channelsLast(padded(at(inputs, 0), pads, 0), (image) =>
      tf.conv2d(image, kernel, pairOf(strides), "valid", "NHWC", pairOf(dilations)),
    );
    return bias === undefined ? y : y.add(bias.reshape([1, -1, 1, 1]));
  },
  MaxPool: (inputs, { kernel_shape, strides, pads }) =>
    channelsLast(padded(at(inputs, 0), pads, LOWEST), (image) =>
      tf.maxPool(image, pairOf(kernel_shape), pairOf(strides), "valid"),
    ),
  // The mean of a window excludes the padding.
  AveragePool(inputs, { kernel_shape, strides, pads }) {
    const x = at(inputs, 0);
    const mean = (values: tf.Tensor) =>
      channelsLast(padded(values, pads, 0), (image) =>
        tf.avgPool(image, pairOf(kernel_shape), pairOf(strides), "valid"),
      );
    return mean(x).div(mean(tf.onesLike(x)));
  },
};

/**
 * Computes the logits [batch, classes] of images [batch, height, width, channels].
 *
 * @throws RangeError for an operator that is not supported
 */
export function runOnnx({ nodes, tensors }: OnnxProgram, images: tf.Tensor4D): tf.Tensor2D {
  return tf.tidy(() => {
    const values = new Map<string, tf.Tensor>([["images", images.transpose([0, 3, 1, 2])]]);
    for (const [name, { data, shape }] of tensors) values.set(name, tf.tensor(data, shape, "float32"));
    for (const { operator, name, inputs, attributes } of nodes) {
      const compute = OPERATORS[operator];
      if (compute === undefined) throw new RangeError(`Expected a supported operator, got ${operator}.`);
      const operands = inputs.map((input) => defined(values.get(input), `a value named ${input}`));
      values.set(name, compute(operands, attributes));
    }
    return values.get("logits") as tf.Tensor2D;
  });
}

function listOf(attribute: Attribute): readonly number[] {
  if (typeof attribute === "object") return attribute;
  throw new TypeError(`Expected an attribute with a list, got ${attribute}.`);
}

function pairOf(attribute: Attribute): Pair {
  const list = listOf(attribute);
  return [at(list, 0), at(list, 1)];
}

/** Pads each image by [top, left, bottom, right] cells of `value`. */
function padded(x: tf.Tensor, pads: Attribute, value: number): tf.Tensor {
  const cells = listOf(pads);
  return x.pad(
    [
      [0, 0],
      [0, 0],
      [at(cells, 0), at(cells, 2)],
      [at(cells, 1), at(cells, 3)],
    ],
    value,
  );
}

/** Applies a computation on [batch, height, width, channels] to a tensor of [batch, channels, height, width]. */
function channelsLast(x: tf.Tensor, compute: (image: tf.Tensor4D) => tf.Tensor): tf.Tensor {
  return compute(x.transpose<tf.Tensor4D>([0, 2, 3, 1])).transpose([0, 3, 1, 2]);
}
