/** Compares the rebuilt kernels with TensorFlow.js in pure JavaScript, for drawn shapes, strides and paddings. */
import { at } from "@lockstep/errors";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { tf } from "../backend/tf.ts";
import { installWasmKernels, startWasm } from "./install.ts";

beforeAll(startWasm);

test("installing the rebuilt kernels twice changes nothing", () => {
  expect(tf.getBackend()).toBe("wasm");
  const kernel = tf.getKernel(tf.Conv2DBackpropFilter, "wasm");
  installWasmKernels();
  expect(tf.getKernel(tf.Conv2DBackpropFilter, "wasm")).toBe(kernel);
});

test("products of transposed matrices, single or batched, equal those of pure JavaScript", async () => {
  const size = fc.integer({ min: 1, max: 70 });
  const products = fc.tuple(size, size, size, fc.boolean(), fc.boolean(), fc.constantFrom([], [1], [1, 1], [3]));
  await fc.assert(
    fc.asyncProperty(products, async ([rows, inner, columns, transposeA, transposeB, outer]) => {
      await assertSameOnBoth(() => {
        const a = wave([...outer, ...(transposeA ? [inner, rows] : [rows, inner])]);
        const b = wave([...outer, ...(transposeB ? [columns, inner] : [inner, columns])]);
        const product = tf.matMul(a, b, transposeA, transposeB);
        expect(product.shape).toEqual([...outer, rows, columns]);
        return [product];
      });
    }),
    { numRuns: 150 },
  );
});

test("gradients of convolutions of any size, stride and padding equal those of pure JavaScript", async () => {
  await fc.assert(
    fc.asyncProperty(convolutions, async (convolution) => {
      await assertSameOnBoth(() => gradientsOf(convolution));
    }),
    { numRuns: 300 },
  );
});

test.each<[string, Convolution]>([
  ["alexnet 1", { x: [2, 51, 51, 3], filter: [11, 11, 3, 5], strides: [4, 4], pad: "valid" }],
  ["alexnet 1, steps that reach every pixel", { x: [2, 47, 47, 3], filter: [11, 11, 3, 5], strides: [4, 4], pad: 2 }],
  ["alexnet 2", { x: [2, 27, 27, 4], filter: [5, 5, 4, 6], strides: [1, 1], pad: "same" }],
  ["alexnet-cifar10 1", { x: [5, 32, 32, 3], filter: [3, 3, 3, 4], strides: [1, 1], pad: "same" }],
  ["a filter of one pixel, every other pixel", { x: [2, 8, 8, 4], filter: [1, 1, 4, 3], strides: [2, 2], pad: "same" }],
])("gradients of the convolution of %s equal those of pure JavaScript", async (_, convolution) => {
  await assertSameOnBoth(() => gradientsOf(convolution));
});

test("gradients of max-pooling equal those of pure JavaScript, also for negative inputs", async () => {
  const upTo = (max: number) => fc.integer({ min: 1, max });
  const pools = fc.record({
    shape: fc.tuple(upTo(3), fc.integer({ min: 4, max: 12 }), fc.integer({ min: 4, max: 12 }), upTo(3)),
    size: upTo(4),
    stride: upTo(4),
    pad: fc.constantFrom("same" as const, "valid" as const),
    shift: fc.constantFrom(-2, -0.9, 0, 0.9, 2),
  });
  await fc.assert(
    fc.asyncProperty(pools, async ({ shape, size, stride, pad, shift }) => {
      await assertSameOnBoth(() => {
        const pool = (x: tf.Tensor) => tf.maxPool(x as tf.Tensor4D, size, stride, pad);
        const x = tf.add(wave(shape), shift);
        const out = pool(x);
        return [out, tf.grad(pool)(x, wave(out.shape))];
      });
    }),
    { numRuns: 150 },
  );
});

test("max-pooling of NaN has a gradient", async () => {
  const [dx] = await valuesOn("wasm", () => [
    tf.grad((x: tf.Tensor) => tf.maxPool(x as tf.Tensor4D, 2, 2, "valid"))(tf.fill([1, 4, 4, 1], Number.NaN)),
  ]);
  expect(dx?.length).toBe(16);
});

test("a fused convolution whose stride skips pixels equals that of pure JavaScript", async () => {
  await assertSameOnBoth(() => {
    const [x, filter] = [wave([2, 9, 9, 3]) as tf.Tensor4D, wave([2, 2, 3, 4]) as tf.Tensor4D];
    return [tf.fused.conv2d({ x, filter, strides: 3, pad: "same", bias: wave([4]), activation: "relu" })];
  });
});

test("gradients of a 2×2 filter on a 3×3 image equal those worked by hand", async () => {
  await tf.setBackend("wasm");
  const x = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 3, 3, 1]);
  const filter = tf.tensor4d([1, 10, 100, 1000], [2, 2, 1, 1]);
  const gradients = tf.grads((image: tf.Tensor, weights: tf.Tensor) =>
    tf.conv2d(image as tf.Tensor4D, weights as tf.Tensor4D, 1, "valid"),
  )([x, filter]);
  // Each weight meets a 2×2 window of the image; each pixel meets the weights that reach it.
  const [dx, dfilter] = gradients.map((gradient) => [...gradient.dataSync()]);
  expect(dfilter).toEqual([1 + 2 + 4 + 5, 2 + 3 + 5 + 6, 4 + 5 + 7 + 8, 5 + 6 + 8 + 9]);
  expect(dx).toEqual([1, 11, 10, 101, 1111, 1010, 100, 1100, 1000]);
  tf.dispose([x, filter, ...gradients]);
});

interface Convolution {
  x: [number, number, number, number];
  filter: [number, number, number, number];
  strides: [number, number];
  pad: "same" | "valid" | number | tf.backend_util.ExplicitPadding;
}

const upTo = (max: number, min = 1) => fc.integer({ min, max });
const side = fc.tuple(upTo(3, 0), upTo(3, 0));
const convolutions: fc.Arbitrary<Convolution> = fc
  .record({
    x: fc.tuple(upTo(3), upTo(11), upTo(11), upTo(5)),
    kernel: fc.tuple(upTo(5), upTo(5)),
    outChannels: upTo(5),
    strides: fc.tuple(upTo(4), upTo(4)),
    pad: fc.oneof(
      fc.constantFrom("same" as const, "valid" as const),
      upTo(3, 0),
      fc.tuple(side, side).map(([rows, columns]): Convolution["pad"] => [[0, 0], rows, columns, [0, 0]]),
    ),
  })
  .map(({ x, kernel: [height, width], outChannels, strides: [down, right], pad }): Convolution => {
    // For padding given as one number, TensorFlow.js computes the output's width from the numbers for its height.
    const isSquare = typeof pad === "number";
    const filter: Convolution["filter"] = [height, isSquare ? height : width, x[3], outChannels];
    return { x, filter, strides: [down, isSquare ? down : right], pad };
  })
  .filter(({ x, filter, strides, pad }) =>
    tf.backend_util.computeConv2DInfo(x, filter, strides, 1, pad).outShape.every((size) => size > 0),
  );

/** Returns the convolution and its gradients with respect to input and filter. */
function gradientsOf({ x, filter, strides, pad }: Convolution): tf.Tensor[] {
  const convolve = (image: tf.Tensor, weights: tf.Tensor) =>
    tf.conv2d(image as tf.Tensor4D, weights as tf.Tensor4D, strides, pad);
  const out = convolve(wave(x), wave(filter));
  return [out, ...tf.grads(convolve)([wave(x), wave(filter)], wave(out.shape))];
}

/** Makes a tensor of numbers between −1 and 1 that do not repeat. */
const wave = (shape: number[]): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => Math.sin(1 + 12.9 * i)),
    shape,
  );

/** Fails if WASM and pure JavaScript differ by more than 1e-4 of a tensor's largest number. */
async function assertSameOnBoth(compute: () => tf.Tensor[]): Promise<void> {
  const [actual, expected] = [await valuesOn("wasm", compute), await valuesOn("cpu", compute)];
  expect(actual.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
  for (const [tensor, cpu] of expected.entries()) {
    const wasm = at(actual, tensor);
    const tolerance = 1e-4 * cpu.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-3);
    const off = cpu.findIndex((value, i) => !(Math.abs(value - at(wasm, i)) <= tolerance));
    expect(off === -1 ? "equal" : { tensor, at: off, cpu: cpu[off], wasm: wasm[off] }).toBe("equal");
  }
}

async function valuesOn(backend: "wasm" | "cpu", compute: () => tf.Tensor[]): Promise<Float32Array[]> {
  await tf.setBackend(backend);
  const tensors = tf.tidy(compute);
  const values = await Promise.all(tensors.map((tensor) => tensor.data<"float32">()));
  tf.dispose(tensors);
  return values;
}
