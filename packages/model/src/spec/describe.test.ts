/** Compares the sizes of AlexNet with the paper and with figures worked out by hand. */
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { alexnet } from "../architectures/alexnet.ts";
import { alexnetCifar10 } from "../architectures/alexnet-cifar10.ts";
import { describeModel, formatDescription } from "./describe.ts";
import type { ModelSpec } from "./spec.ts";

const image = (layers: ModelSpec["layers"]): ModelSpec => ({ name: "Small", inputShape: [8, 6, 3], layers });

test("AlexNet has the paper's sizes, 62,378,344 parameters and 1.135 GMACs", () => {
  const { rows, parameters, macs } = describeModel(alexnet());
  const images = rows.filter(({ output }) => output.length === 3);
  expect(images.map(({ output }) => output[0])).toEqual([55, 27, 27, 13, 13, 13, 13, 6]);
  expect(images.every(({ output }) => output[0] === output[1])).toBe(true);
  expect(images.map(({ channels }) => channels)).toEqual([96, 96, 256, 256, 384, 384, 256, 256]);
  expect(parameters).toBe(62_378_344);
  // Worked by hand: 55²·11²·3·96 + 27²·5²·96·256 + 13²·9·(256·384 + 384·384 + 384·256) + 9216·4096 + 4096² + 4096·1000
  expect(macs).toBe(105_415_200 + 447_897_600 + 523_321_344 + 37_748_736 + 16_777_216 + 4_096_000);
});

test("the CIFAR-10 AlexNet has 36,113,290 parameters, of which 93 % are in the fully connected layers", () => {
  const { rows, parameters } = describeModel(alexnetCifar10());
  expect(parameters).toBe(36_113_290);
  const dense = rows.filter(({ layer }) => layer.startsWith("fc")).reduce((sum, row) => sum + row.parameters, 0);
  expect(Math.round((100 * dense) / parameters)).toBe(93);
});

test("the numbers of classes and channels change only the last and the first layer of AlexNet", () => {
  const { rows } = describeModel(alexnetCifar10({ numClasses: 7, inputChannels: 1 }));
  const usual = describeModel(alexnetCifar10()).rows;
  const changed = rows.filter((row, index) => row.parameters !== defined(usual[index]).parameters);
  expect(changed.map(({ layer, parameters }) => [layer, parameters])).toEqual([
    ["conv1", 9 * 64 + 64],
    ["fc3", 4096 * 7 + 7],
  ]);
});

test("describeModel works out height and width separately", () => {
  const { rows } = describeModel(image([{ type: "conv", name: "c", filters: 2, kernel: 3, stride: 2, padding: 0 }]));
  expect(rows[0]).toEqual({
    layer: "c",
    output: [3, 2, 2],
    channels: 2,
    kernel: 3,
    padding: 0,
    stride: 2,
    parameters: 3 * 3 * 3 * 2 + 2,
    macs: 3 * 2 * 3 * 3 * 3 * 2,
  });
});

test.each<[string, ModelSpec["layers"], string]>([
  [
    "a kernel larger than its input",
    [
      { type: "maxPool", kernel: 2, stride: 2 },
      { type: "maxPool", kernel: 4, stride: 1 },
    ],
    "Layer pool2 of Small: its kernel of 4×4 does not fit into its input of 4×3 with padding 0; use a smaller kernel",
  ],
  [
    "a convolution after flatten",
    [{ type: "flatten" }, { type: "conv", name: "late", filters: 1, kernel: 1, stride: 1, padding: 0 }],
    "Layer late of Small: expected an image, got a flat input of 144 numbers; put it before the flatten layer.",
  ],
  [
    "a dense layer on an image",
    [{ type: "dense", name: "fc", units: 2 }],
    "Layer fc of Small: expected a flat input, got an image of 8×6×3; put a flatten layer before it.",
  ],
  [
    "a second flatten",
    [{ type: "flatten" }, { type: "flatten" }],
    "Layer flatten of Small: its input is already flat; remove this layer.",
  ],
])("the error for %s names the layer", (_, layers, message) => {
  expect(() => describeModel(image(layers))).toThrow(message);
});

test("formatDescription makes a table with aligned columns and totals", () => {
  const spec = image([
    { type: "maxPool", kernel: 2, stride: 2 },
    { type: "flatten" },
    { type: "dense", name: "fc1", units: 1000 },
  ]);
  expect(formatDescription(describeModel(spec))).toBe(
    [
      "Small",
      "layer    output  channels  kernel  padding  stride  parameters    MACs",
      "input       8×6         3",
      "pool1       4×3         3     2×2        0       2           0       0",
      "flatten      36                                              0       0",
      "fc1        1000                                         37,000  36,000",
      "total                                                   37,000  36,000",
      "",
    ].join("\n"),
  );
});
