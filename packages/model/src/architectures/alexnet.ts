/** AlexNet for images of 224 × 224, as a spec. */
import type { ModelSpec } from "../spec/spec.ts";

/** Options of `alexnet`. */
export interface AlexNetOptions {
  /** @default 1000, ImageNet's */
  numClasses?: number | undefined;
  /** @default 3 */
  inputChannels?: number | undefined;
}

/**
 * Returns AlexNet in one column: 62,378,344 parameters with 1000 classes and 3 channels.
 *
 * The sizes are those of the paper, whose 55 = floor((224 − 11 + 2·2) / 4) + 1 needs a padding of 2. Local response
 * normalisation is left out, and so is the split over two GPUs, which halves the inputs of conv2, conv4 and conv5.
 *
 * Source: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks", NIPS 2012.
 */
export function alexnet({ numClasses = 1000, inputChannels = 3 }: AlexNetOptions = {}): ModelSpec {
  return {
    name: "AlexNet",
    inputShape: [224, 224, inputChannels],
    layers: [
      { type: "conv", name: "conv1", filters: 96, kernel: 11, stride: 4, padding: 2, activation: "relu" }, //  [batch, 55, 55, 96]
      { type: "maxPool", kernel: 3, stride: 2 }, //                                                            [batch, 27, 27, 96]
      { type: "conv", name: "conv2", filters: 256, kernel: 5, stride: 1, padding: 2, activation: "relu" }, //  [batch, 27, 27, 256]
      { type: "maxPool", kernel: 3, stride: 2 }, //                                                            [batch, 13, 13, 256]
      { type: "conv", name: "conv3", filters: 384, kernel: 3, stride: 1, padding: 1, activation: "relu" }, //  [batch, 13, 13, 384]
      { type: "conv", name: "conv4", filters: 384, kernel: 3, stride: 1, padding: 1, activation: "relu" }, //  [batch, 13, 13, 384]
      { type: "conv", name: "conv5", filters: 256, kernel: 3, stride: 1, padding: 1, activation: "relu" }, //  [batch, 13, 13, 256]
      { type: "maxPool", kernel: 3, stride: 2 }, //                                                            [batch, 6, 6, 256]
      { type: "flatten" }, //                                                                                  [batch, 9216]
      { type: "dense", name: "fc1", units: 4096, activation: "relu" }, //                                      [batch, 4096]
      { type: "dropout", rate: 0.5 },
      { type: "dense", name: "fc2", units: 4096, activation: "relu" }, //                                      [batch, 4096]
      { type: "dropout", rate: 0.5 },
      { type: "dense", name: "fc3", units: numClasses }, //                                                    [batch, numClasses]
    ],
  };
}
