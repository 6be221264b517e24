/** AlexNet for the 32 × 32 images of CIFAR-10, as a spec. */
import type { ModelSpec } from "../spec/spec.ts";

/** Options of `alexnetCifar10`. */
export interface AlexNetCifar10Options {
  /** @default 10, CIFAR-10's */
  numClasses?: number | undefined;
  /** @default 3 */
  inputChannels?: number | undefined;
}

/** Returns AlexNet for images of 32×32: all kernels are 3×3; 36,113,290 parameters with 10 classes and 3 channels. */
export function alexnetCifar10({ numClasses = 10, inputChannels = 3 }: AlexNetCifar10Options = {}): ModelSpec {
  return {
    name: "AlexNet_CIFAR10",
    inputShape: [32, 32, inputChannels],
    layers: [
      { type: "conv", name: "conv1", filters: 64, kernel: 3, stride: 1, padding: 1, activation: "relu" }, //   [batch, 32, 32, 64]
      { type: "maxPool", kernel: 2, stride: 2 }, //                                                            [batch, 16, 16, 64]
      { type: "conv", name: "conv2", filters: 256, kernel: 3, stride: 1, padding: 1, activation: "relu" }, //  [batch, 16, 16, 256]
      { type: "maxPool", kernel: 2, stride: 2 }, //                                                            [batch, 8, 8, 256]
      { type: "conv", name: "conv3", filters: 384, kernel: 3, stride: 1, padding: 1, activation: "relu" }, //  [batch, 8, 8, 384]
      { type: "conv", name: "conv4", filters: 256, kernel: 3, stride: 1, padding: 1, activation: "relu" }, //  [batch, 8, 8, 256]
      { type: "conv", name: "conv5", filters: 256, kernel: 3, stride: 1, padding: 1, activation: "relu" }, //  [batch, 8, 8, 256]
      { type: "maxPool", kernel: 2, stride: 2 }, //                                                            [batch, 4, 4, 256]
      { type: "flatten" }, //                                                                                  [batch, 4096]
      { type: "dense", name: "fc1", units: 4096, activation: "relu" }, //                                      [batch, 4096]
      { type: "dropout", rate: 0.5 },
      { type: "dense", name: "fc2", units: 4096, activation: "relu" }, //                                      [batch, 4096]
      { type: "dropout", rate: 0.5 },
      { type: "dense", name: "fc3", units: numClasses }, //                                                    [batch, numClasses]
    ],
  };
}
