/** A small VGG: pnpm train --model test/src/examples/small-vgg.ts */
import type { LayerSpec, ModelContext, ModelSpec } from "@lockstep/model";

/** Returns two 3 × 3 convolutions and a pooling layer that halves height and width. */
const block = (name: string, filters: number): LayerSpec[] => [
  { type: "conv", name: `${name}a`, filters, kernel: 3, stride: 1, padding: 1, activation: "relu" },
  { type: "conv", name: `${name}b`, filters, kernel: 3, stride: 1, padding: 1, activation: "relu" },
  { type: "maxPool", kernel: 2, stride: 2 },
];

/** Makes the spec for a data set's images and classes. */
export default function createModel({ inputShape, numClasses }: ModelContext): ModelSpec {
  return {
    name: "SmallVGG",
    inputShape,
    layers: [
      ...block("conv1", 32), // [batch, 16, 16, 32] of images of 32 × 32
      ...block("conv2", 64), // [batch, 8, 8, 64]
      { type: "flatten" }, //   [batch, 4096]
      { type: "dense", name: "fc1", units: 256, activation: "relu" },
      { type: "dropout", rate: 0.5 },
      { type: "dense", name: "fc2", units: numClasses },
    ],
  };
}
