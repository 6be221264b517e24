/** Compares state dicts with PyTorch's names and shapes by hand, and with what its Linear and Flatten compute. */
import { tf } from "@lockstep/engine";
import { elementCount } from "@lockstep/formats";
import { defined } from "@lockstep/testing";
import { beforeAll, expect, test } from "vitest";
import { alexnet } from "../architectures/alexnet.ts";
import { alexnetCifar10 } from "../architectures/alexnet-cifar10.ts";
import { buildModel } from "../spec/build.ts";
import type { ModelSpec } from "../spec/spec.ts";
import { applied, chain, floatsOf, predicted } from "../testing/tensors.ts";
import { initialWeights } from "./initial-weights.ts";
import { fromStateDict, stateDictNames, toStateDict } from "./state-dict.ts";

beforeAll(() => tf.setBackend("cpu"));

const spec: ModelSpec = {
  name: "Small",
  inputShape: [3, 2, 2],
  layers: [{ type: "flatten" }, { type: "dense", name: "fc1", units: 4 }, { type: "dense", name: "fc2", units: 3 }],
};

test("a state dict has PyTorch's names and shapes for AlexNet, and the same names for the CIFAR-10 AlexNet", () => {
  const named = stateDictNames(buildModel(alexnet()), alexnet());
  expect(Object.fromEntries(named.map(({ name, torchShape }) => [name, torchShape.join("×")]))).toEqual({
    "conv1.0.weight": "96×3×11×11",
    "conv1.0.bias": "96",
    "conv2.0.weight": "256×96×5×5",
    "conv2.0.bias": "256",
    "conv3.0.weight": "384×256×3×3",
    "conv3.0.bias": "384",
    "conv4.0.weight": "384×384×3×3",
    "conv4.0.bias": "384",
    "conv5.0.weight": "256×384×3×3",
    "conv5.0.bias": "256",
    "fc1.1.weight": "4096×9216",
    "fc1.1.bias": "4096",
    "fc2.0.weight": "4096×4096",
    "fc2.0.bias": "4096",
    "fc3.0.weight": "1000×4096",
    "fc3.0.bias": "1000",
  });
  const cifar = stateDictNames(buildModel(alexnetCifar10()), alexnetCifar10());
  expect(cifar.map(({ name }) => name)).toEqual(named.map(({ name }) => name));
});

test("the columns of a dense layer are in CHW order after flatten, and otherwise in the order of its inputs", () => {
  const model = buildModel(spec);
  const names = stateDictNames(model, spec);
  // Element [row r, column o] of each kernel is 100·r + o.
  const kernel = (rows: number, columns: number) =>
    Float32Array.from({ length: rows * columns }, (_, i) => 100 * Math.floor(i / columns) + (i % columns));
  const dict = toStateDict(names, [kernel(12, 4), new Float32Array(4), kernel(4, 3), new Float32Array(3)]);
  // Pixel (y, x) of channel c is row (2y + x)·2 + c in HWC order: channel 0 has the even rows, channel 1 the odd ones.
  const rows = [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11];
  expect([...defined(dict.get("fc1.1.weight")).data.slice(12, 24)]).toEqual(rows.map((row) => 100 * row + 1));
  expect([...defined(dict.get("fc2.0.weight")).data.slice(4, 8)]).toEqual([1, 101, 201, 301]);
});

test("a state dict converts back into the same arrays", async () => {
  const small = { ...alexnetCifar10(), layers: alexnetCifar10().layers.map(shrink) };
  const model = buildModel(small);
  const values = await initialWeights(model, { init: "pytorch", seed: 3 });
  const names = stateDictNames(model, small);
  expect(fromStateDict(names, toStateDict(names, values))).toEqual(values);
});
const shrink = (layer: ModelSpec["layers"][number]) => {
  if (layer.type === "conv") return { ...layer, filters: layer.filters / 32 };
  return layer.type === "dense" ? { ...layer, units: 20 } : layer;
};

test("the error for a state dict names what is missing, unexpected or of another shape", () => {
  const names = stateDictNames(buildModel(spec), spec);
  const dict = toStateDict(
    names,
    names.map(({ torchShape }) => new Float32Array(elementCount(torchShape))),
  );
  dict.set("fc2.0.bias", { shape: [10], data: new Float32Array(10) });
  dict.delete("fc1.1.bias");
  dict.set("fc9.0.weight", { shape: [1], data: new Float32Array(1) });
  expect(() => fromStateDict(names, dict)).toThrow(
    "The weights do not match the model:\n" +
      "  fc1.1.bias is missing\n  fc2.0.bias has the shape [10], expected [3]\n  fc9.0.weight is unexpected\n",
  );
});

test("the state dict of a model without a spec follows its layers' names, and a dense layer after flatten is in CHW order too", () => {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ name: "stem", inputShape: [5, 5, 1], filters: 2, kernelSize: 3, useBias: false }),
      tf.layers.layerNormalization({ name: "norm" }),
      tf.layers.flatten(),
      tf.layers.dropout({ rate: 0.1 }),
      tf.layers.dense({ name: "head", units: 4 }),
    ],
  });
  expect(stateDictNames(model)).toEqual([
    { name: "stem.weight", torchShape: [2, 1, 3, 3], axes: [9, 1, 2] },
    { name: "norm.gamma", torchShape: [2] },
    { name: "norm.beta", torchShape: [2] },
    { name: "head.weight", torchShape: [4, 18], axes: [9, 2, 4] },
    { name: "head.bias", torchShape: [4] },
  ]);
});

test.each<[string, () => tf.layers.Layer[]]>([
  ["as it is", () => []],
  ["by a Flatten that takes the channels for the first axis", () => [flatten({ dataFormat: "channelsFirst" })]],
  ["after a Permute that puts the channels first", () => [permute({ dims: [3, 1, 2] }), flatten()]],
  [
    "after a layer whose channels come first",
    () => [permute({ dims: [3, 1, 2] }), channelsFirst(), relu(), flatten({ dataFormat: "channelsFirst" })],
  ],
  ["after a Permute there and back", () => [permute({ dims: [3, 1, 2] }), relu(), permute({ dims: [2, 3, 1] })]],
  ["after a Permute that swaps rows and columns", () => [permute({ dims: [2, 1, 3] }), permute({ dims: [2, 1, 3] })]],
])("a Dense layer's columns are in CHW order when the image is flattened %s", (_, make) => {
  const [height, width, channels] = [2, 3, 4];
  const layers = make();
  if (layers.at(-1)?.getClassName() !== "Flatten") layers.push(flatten());
  const images = tf.input({ shape: [height, width, channels] });
  const flat = chain(images, ...layers);
  const outputs = applied(tf.layers.dense({ name: "fc", units: 2 }), flat);
  const model = tf.model({ inputs: images, outputs });
  const kernel = tf.randomUniform([24, 2], 0, 1, "float32", 3);
  model.setWeights([kernel, tf.zeros([2])]);
  const weight = toStateDict(stateDictNames(model), [floatsOf(kernel), new Float32Array(2)]);
  const image = tf.randomUniform([1, height, width, channels], 0, 1, "float32", 4);
  // torch.nn.Linear on torch.nn.Flatten of the same image as [batch, channels, height, width]
  const columns = image.transpose([0, 3, 1, 2]).reshape([24, 1]);
  const torch = tf.tensor2d(defined(weight.get("fc.weight")).data, [2, 24]).matMul(columns as tf.Tensor2D);
  const difference = torch.reshape([1, 2]).sub(predicted(model, image));
  expect(difference.abs().max().dataSync()[0]).toBeLessThan(1e-5);
});
const { flatten, permute } = tf.layers;
const relu = () => tf.layers.activation({ activation: "relu" });
const channelsFirst = () => tf.layers.averagePooling2d({ poolSize: 1, dataFormat: "channelsFirst" });

test("a layer without a name is named by kind and position, however many the process has made", () => {
  const make = () =>
    tf.sequential({
      layers: [
        tf.sequential({ layers: [tf.layers.conv2d({ inputShape: [4, 4, 1], filters: 2, kernelSize: 3 })] }),
        tf.layers.reshape({ targetShape: [4, 2] }),
        tf.layers.bidirectional({ layer: tf.layers.gru({ units: 2 }) as never, mergeMode: "concat" }),
        tf.layers.dense({ units: 3 }),
      ],
    });
  const names = stateDictNames(make()).map(({ name }) => name);
  expect(stateDictNames(make()).map(({ name }) => name)).toEqual(names);
  expect(names.filter((name) => name.endsWith("weight") || name.includes("kernel"))).toEqual([
    "sequential_0.conv2d_0.weight",
    "bidirectional_2.forward_gru_0.kernel",
    "bidirectional_2.forward_gru_0.recurrent_kernel",
    "bidirectional_2.backward_gru_0.kernel",
    "bidirectional_2.backward_gru_0.recurrent_kernel",
    "dense_3.weight",
  ]);
});

test("a Dense layer whose applications need different orders of its columns is refused", () => {
  const { layers } = tf;
  const images = tf.input({ shape: [2, 3, 4] });
  const flat = applied(layers.flatten(), images);
  const fc = layers.dense({ name: "fc", units: 24 });

  expect(() => stateDictNames(tf.model({ inputs: images, outputs: chain(flat, fc, fc) }))).toThrow(
    "The Dense layer fc is applied several times, to flattened images and to values in another order. " +
      "PyTorch flattens images channels first, so no order of the layer's columns suits all applications; " +
      "use a separate layer object for each.",
  );
  const pixel = tf.input({ shape: [1, 1, 24] });
  const alike = tf.model({
    inputs: pixel,
    outputs: chain(pixel, layers.flatten(), fc, fc),
  });
  expect(stateDictNames(alike).map(({ name }) => name)).toEqual(["fc.weight", "fc.bias"]);
});
