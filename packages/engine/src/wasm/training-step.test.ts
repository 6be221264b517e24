/** Compares whole training steps of two small AlexNets with those in pure JavaScript, and counts tensors. */
import { at } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import { beforeAll, expect, test } from "vitest";
import { tf } from "../backend/tf.ts";
import { startWasm } from "./install.ts";

beforeAll(startWasm);

// The ops of the two networks' training steps, with fewer channels and smaller images.
const alexnet: Net = {
  image: [67, 67, 3],
  features: (x, weights) => {
    const { w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 } = convolutionsOf(weights);
    const padded = tf.pad(x, [
      [0, 0],
      [2, 2],
      [2, 2],
      [0, 0],
    ]);
    let y = pool(reluOf(tf.conv2d(padded, w1, 4, "valid"), b1), 3); // [batch, 7, 7, 4]
    y = pool(reluOf(tf.conv2d(y, w2, 1, "same"), b2), 3); // [batch, 3, 3, 8]
    y = reluOf(tf.conv2d(y, w3, 1, "same"), b3);
    y = reluOf(tf.conv2d(y, w4, 1, "same"), b4);
    return pool(reluOf(tf.conv2d(y, w5, 1, "same"), b5), 3); // [batch, 1, 1, 4]
  },
  weights: [
    [11, 11, 3, 4],
    [4],
    [5, 5, 4, 8],
    [8],
    [3, 3, 8, 6],
    [6],
    [3, 3, 6, 6],
    [6],
    [3, 3, 6, 4],
    [4],
    [4, 16],
    [16],
  ],
};

const alexnetCifar10: Net = {
  image: [16, 16, 3],
  features: (x, weights) => {
    const { w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 } = convolutionsOf(weights);
    let y = pool(reluOf(tf.conv2d(x, w1, 1, 1), b1), 2); // [batch, 8, 8, 4]
    y = pool(reluOf(tf.conv2d(y, w2, 1, 1), b2), 2); // [batch, 4, 4, 8]
    y = reluOf(tf.conv2d(y, w3, 1, 1), b3);
    y = reluOf(tf.conv2d(y, w4, 1, 1), b4);
    return pool(reluOf(tf.conv2d(y, w5, 1, 1), b5), 2); // [batch, 2, 2, 4]
  },
  weights: [
    [3, 3, 3, 4],
    [4],
    [3, 3, 4, 8],
    [8],
    [3, 3, 8, 6],
    [6],
    [3, 3, 6, 6],
    [6],
    [3, 3, 6, 4],
    [4],
    [16, 16],
    [16],
  ],
};

test.each([
  ["alexnet", alexnet],
  ["alexnet-cifar10", alexnetCifar10],
])("three training steps of a small %s have the losses, gradients and weights of pure JavaScript", async (_, net) => {
  const [actual, expected] = [await train("wasm", net, 3), await train("cpu", net, 3)];
  expect(expected.map((values) => values.some((value) => value !== 0))).toEqual(expected.map(() => true));
  for (const [index, values] of expected.entries()) {
    const tolerance = 1e-4 * Math.max(...values.map(Math.abs));
    for (const [i, value] of values.entries())
      expect(Math.abs(at(at(actual, index), i) - value)).toBeLessThan(tolerance);
  }
});

test("training steps on WASM leak neither tensors nor their data", async () => {
  await tf.setBackend("wasm");
  const weights = weightsOf(alexnetCifar10);
  const data = () => ({ ...tf.memory(), data: tf.backend().numDataIds() });
  tf.dispose(step(alexnetCifar10, weights));
  const before = data();
  for (let i = 0; i < 5; i++) tf.dispose(step(alexnetCifar10, weights));
  expect(data()).toEqual(before);
  tf.dispose(weights);
});

interface Net {
  image: [number, number, number];
  /** Maps images to the input of the dense layers. */
  features: (images: tf.Tensor4D, weights: tf.Tensor4D[]) => tf.Tensor;
  /** Shapes of kernels and biases in the order of the layers, up to the first dense one. */
  weights: number[][];
}

const CLASSES = 10;
const labels = [3, 1, 4, 1, 5];

/** Names the weights of the five convolutions. */
function convolutionsOf(weights: tf.Tensor4D[]) {
  const weight = (layer: number) => at(weights, 2 * layer - 2);
  const bias = (layer: number) => at(weights, 2 * layer - 1);
  return {
    w1: weight(1),
    b1: bias(1),
    w2: weight(2),
    b2: bias(2),
    w3: weight(3),
    b3: bias(3),
    w4: weight(4),
    b4: bias(4),
    w5: weight(5),
    b5: bias(5),
  };
}

const reluOf = (x: tf.Tensor, bias: tf.Tensor) => tf.relu(tf.add(x, bias)) as tf.Tensor4D;
const pool = (x: tf.Tensor4D, size: number) => tf.maxPool(x, size, 2, "valid");

/** Computes the summed loss of a training step: features, dense layers, dropout. */
function lossOf({ image, features, weights: shapes }: Net, weights: tf.Tensor[]): tf.Scalar {
  const images = wave([labels.length, ...image], 1) as tf.Tensor4D;
  const [w6, b6, w7, b7] = weights.slice(shapes.length - 2) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  const flat = tf.reshape(features(images, weights as tf.Tensor4D[]), [labels.length, -1]);
  const hidden = tf.relu(tf.add(tf.matMul(flat, w6), b6));
  const mask = tf.mul(tf.cast(tf.greater(wave(hidden.shape, 7), 0), "float32"), 2); // dropout 0.5
  const logits = tf.add(tf.matMul(tf.mul(hidden, mask), w7), b7);
  const oneHot = tf.oneHot(tf.tensor1d(labels, "int32"), CLASSES);
  return tf.losses.softmaxCrossEntropy(oneHot, logits, undefined, undefined, tf.Reduction.SUM);
}

/** Takes one step; returns the loss and its gradients. */
function step(net: Net, weights: tf.Variable[]): tf.Tensor[] {
  const { value, grads } = tf.variableGrads(() => lossOf(net, weights), weights);
  const gradients = weights.map((weight) => defined(grads[weight.name], "the gradient"));
  tf.tidy(() => weights.map((weight, i) => weight.assign(tf.sub(weight, tf.mul(at(gradients, i), 0.01)))));
  return [value, ...gradients];
}

/** Returns the results of each step and, last, the weights. */
async function train(backend: "wasm" | "cpu", net: Net, steps: number): Promise<Float32Array[]> {
  await tf.setBackend(backend);
  const weights = weightsOf(net);
  const tensors = [...Array.from({ length: steps }, () => step(net, weights)).flat(), ...weights];
  const values = await Promise.all(tensors.map((tensor) => tensor.data<"float32">()));
  tf.dispose(tensors);
  return values;
}

function weightsOf({ weights }: Net): tf.Variable[] {
  const shapes = [...weights, [16, CLASSES], [CLASSES]];
  return shapes.map((shape, i) => {
    const inputs = tf.util.sizeFromShape(shape.slice(0, -1));
    return tf.tidy(() => tf.variable(tf.mul(wave(shape, i), shape.length === 1 ? 0.1 : 2 / Math.sqrt(inputs))));
  });
}

/** Makes a tensor of numbers between −1 and 1 that do not repeat. */
function wave(shape: number[], start: number): tf.Tensor {
  const size = tf.util.sizeFromShape(shape);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(start + 12.9 * i)),
    shape,
  );
}
