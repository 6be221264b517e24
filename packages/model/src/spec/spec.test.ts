/** Checks the specs that are refused, each for one fault. */
import { expect, test } from "vitest";
import { alexnet } from "../architectures/alexnet.ts";
import { alexnetCifar10 } from "../architectures/alexnet-cifar10.ts";
import { layerNames, parseModelSpec } from "./spec.ts";

const dense = { type: "dense", name: "fc", units: 2 };
const small = { name: "Small", inputShape: [4, 4, 1], layers: [{ type: "flatten" }, dense] };

test("a model spec passes through JSON and the check unchanged", () => {
  for (const spec of [alexnet(), alexnetCifar10()]) {
    expect(parseModelSpec(JSON.parse(JSON.stringify(spec)), "here")).toEqual(spec);
  }
});

test("layerNames names each layer of a spec", () => {
  expect(layerNames(alexnetCifar10()).join(" ")).toBe(
    "conv1 pool1 conv2 pool2 conv3 conv4 conv5 pool3 flatten fc1 dropout1 fc2 dropout2 fc3",
  );
});

test.each([
  ["an unknown key", { ...small, size: 1 }, /not a model spec:\n {2}spec: .*"size"/],
  ["an unknown key of a layer", { ...small, layers: [{ ...dense, bias: true }] }, /layers\.0: .*"bias"/],
  ["an unknown layer", { ...small, layers: [{ type: "lstm" }] }, /layers\.0\.type: /],
  ["a size below 1", { ...small, layers: [{ ...dense, units: 0 }] }, /layers\.0\.units: .*1/],
  ["a fraction", { ...small, inputShape: [4.5, 4, 1] }, /inputShape\.0: .*int/],
  ["another activation", { ...small, layers: [{ ...dense, activation: "softmax" }] }, /layers\.0\.activation: .*relu/],
  ["a dropout of everything", { ...small, layers: [{ type: "dropout", rate: 1 }] }, /layers\.0\.rate: /],
  ["two layers of one name", { ...small, layers: [dense, dense] }, /spec: two layers are named "fc"/],
  [
    "a layer that takes a made-up name",
    {
      ...small,
      layers: [
        { ...dense, name: "pool1" },
        { type: "maxPool", kernel: 1, stride: 1 },
      ],
    },
    /"pool1"/,
  ],
  ["a name that no file can have", { ...small, name: "a/b" }, /name: expected letters/],
  ["no layers", { ...small, layers: [] }, /layers: /],
  ["something else", 7, /\.\/mine\.ts is not a model spec:\n {2}spec: .*docs\/models\.md/s],
])("a model spec is refused for %s", (_, value, message) => {
  expect(() => parseModelSpec(value, "./mine.ts")).toThrow(message);
});
