/** Draws small specs for tests, and computes their forward pass in plain loops, as PyTorch defines it. */
import { defined } from "@lockstep/testing";
import fc from "fast-check";
import type { LayerSpec, ModelSpec } from "../spec/spec.ts";
import { layerNames } from "../spec/spec.ts";
import type { StateDict } from "../weights/state-tensors.ts";

const whole = (min: number, max: number) => fc.integer({ min, max });
const activation = fc.constantFrom({}, { activation: "relu" as const });
const window = fc.record({ kernel: whole(1, 4), stride: whole(1, 3), padding: whole(0, 2) });

const imageLayer: fc.Arbitrary<LayerSpec> = fc.oneof(
  {
    arbitrary: fc
      .tuple(window, whole(1, 3), activation)
      .map(([size, filters, act]) => ({ type: "conv" as const, name: "", filters, ...size, ...act })),
    weight: 3,
  },
  { arbitrary: window.map((size) => ({ type: "maxPool" as const, ...size })), weight: 1 },
  { arbitrary: window.map((size) => ({ type: "avgPool" as const, ...size })), weight: 1 },
);
const denseLayer: fc.Arbitrary<LayerSpec> = fc.oneof(
  fc.tuple(whole(1, 5), activation).map(([units, act]) => ({ type: "dense" as const, name: "", units, ...act })),
  fc.constant({ type: "dropout" as const, rate: 0.5 }),
);

const last: LayerSpec = { type: "dense", name: "", units: 3 };

/** Specs of up to three image layers, a flatten, and up to four more layers, the last one dense. Sizes may not fit. */
export const specs: fc.Arbitrary<ModelSpec> = fc
  .record({
    inputShape: fc.tuple(whole(3, 9), whole(3, 9), whole(1, 3)),
    image: fc.array(imageLayer, { maxLength: 3 }),
    flat: fc.array(denseLayer, { maxLength: 3 }),
  })
  .map(({ inputShape, image, flat }) => ({
    name: "Random",
    inputShape,
    layers: [...image, { type: "flatten" as const }, ...flat, last].map((layer, index) =>
      "name" in layer ? { ...layer, name: `layer${index}` } : layer,
    ),
  }));

/** A tensor in PyTorch's order: an image is [channels, height, width]. */
interface Plane {
  shape: number[];
  data: number[];
}

/** Computes the model's output for one image [channels, height, width], with weights under PyTorch's names. */
export function torchForward(spec: ModelSpec, weights: StateDict, image: number[]): Plane {
  const names = layerNames(spec);
  const [height, width, channels] = spec.inputShape;
  let x: Plane = { shape: [channels, height, width], data: image };
  for (const [index, layer] of spec.layers.entries()) {
    const module = spec.layers[index - 1]?.type === "flatten" ? 1 : 0;
    const data = (part: string) => defined(weights.get(`${names[index]}.${module}.${part}`)).data;
    if (layer.type === "flatten") x = { shape: [x.data.length], data: x.data };
    else if (layer.type === "dense") x = linear(x, data("weight"), data("bias"));
    else if (layer.type === "conv") x = convolve(x, layer, data("weight"), data("bias"));
    else if (layer.type !== "dropout") x = pool(x, layer);
    if ("activation" in layer && layer.activation === "relu")
      x = { shape: x.shape, data: x.data.map((v) => Math.max(v, 0)) };
  }
  return x;
}

function linear(x: Plane, weight: Float32Array, bias: Float32Array): Plane {
  const inputs = x.data.length;
  const data = Array.from(bias, (b, unit) =>
    x.data.reduce((sum, value, i) => sum + value * defined(weight[unit * inputs + i]), b),
  );
  return { shape: [bias.length], data };
}

type WindowSpec = Extract<LayerSpec, { kernel: number }>;

function convolve(
  x: Plane,
  layer: Extract<LayerSpec, { type: "conv" }>,
  weight: Float32Array,
  bias: Float32Array,
): Plane {
  const channels = defined(x.shape[0]);
  const { kernel } = layer;
  return overWindows(x, layer, layer.filters, (filter, at) => {
    let sum = defined(bias[filter]);
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < kernel; i++)
        for (let j = 0; j < kernel; j++)
          sum += (at(c, i, j) ?? 0) * defined(weight[((filter * channels + c) * kernel + i) * kernel + j]);
    return sum;
  });
}

function pool(x: Plane, layer: WindowSpec): Plane {
  const cells = Array.from(
    { length: layer.kernel ** 2 },
    (_, n) => [Math.floor(n / layer.kernel), n % layer.kernel] as const,
  );
  return overWindows(x, layer, defined(x.shape[0]), (channel, at) => {
    const values = cells.map(([i, j]) => at(channel, i, j));
    if (layer.type === "avgPool") return values.reduce<number>((sum, value) => sum + (value ?? 0), 0) / cells.length;
    return Math.max(...values.filter((value) => value !== undefined));
  });
}

/** Computes one value for each output channel and window. `at` returns undefined outside the image. */
function overWindows(
  { shape, data }: Plane,
  { kernel, stride, padding = 0 }: WindowSpec,
  outputs: number,
  value: (output: number, at: (channel: number, i: number, j: number) => number | undefined) => number,
): Plane {
  const [, height, width] = shape as [number, number, number];
  const [rows, columns] = [height, width].map((size) => Math.floor((size - kernel + 2 * padding) / stride) + 1) as [
    number,
    number,
  ];
  const result: number[] = [];
  for (let output = 0; output < outputs; output++)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        result.push(
          value(output, (channel, i, j) => {
            const [y, x] = [row * stride + i - padding, column * stride + j - padding];
            return y < 0 || y >= height || x < 0 || x >= width ? undefined : data[(channel * height + y) * width + x];
          }),
        );
  return { shape: [outputs, rows, columns], data: result };
}
