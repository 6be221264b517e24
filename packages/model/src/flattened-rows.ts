/** The order in which the numbers of a flattened image stand in a row. */
import type { tf } from "@lockstep/engine";
import { type Layer, producerOf } from "./layers.ts";

/** The first two of a Dense kernel's `KernelAxes`: reversed, its rows stand in CHW order. */
export type RowAxes = readonly [positions: number, inputs: number];

/** Layers that keep every number of a row in its place. */
const IN_PLACE = new Set(["Dropout", "Activation", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU"]);

/**
 * Returns the axes to reverse where `tensor` is a flattened image whose numbers are in another order than the channel,
 * row, column of PyTorch's `nn.Flatten`; otherwise undefined.
 */
export function flattenedRows(tensor: tf.SymbolicTensor): RowAxes | undefined {
  let source = producerOf(tensor);
  while (IN_PLACE.has(source.getClassName())) source = producerOf(inputOf(source));
  if (source.getClassName() !== "Flatten") return undefined;
  const image = inputOf(source);
  if (image.shape.length !== 4) return undefined;
  const [, a, b, c] = image.shape as [null, number, number, number];
  const movesFirstAxisLast = source.getConfig()["dataFormat"] === "channelsFirst";
  if (channelAxis(image) === 1) return movesFirstAxisLast ? [b * c, a] : undefined;
  // Rows in the order (b, c, a), with c the channels, are a matrix [b, c·a]; its transpose is (c, a, b).
  return movesFirstAxisLast ? [b, c * a] : [a * b, c];
}

/**
 * Which axis of [batch, a, b, c] holds the channels: as the layer that made the tensor says, or as in the tensor that it
 * was made of. It is the last one of the model's input, and of what a Reshape made.
 */
function channelAxis(image: tf.SymbolicTensor): number {
  const source = producerOf(image);
  const { dataFormat, dims } = source.getConfig() as { dataFormat?: string; dims?: number[] };
  if (dataFormat !== undefined) return dataFormat === "channelsFirst" ? 1 : 3;
  if (source.getClassName() === "InputLayer" || source.getClassName() === "Reshape") return 3;
  const [input] = [source.getInputAt(0)].flat();
  if (input?.shape.length !== 4) return 3;
  const before = channelAxis(input);
  return source.getClassName() === "Permute" ? dims!.indexOf(before) + 1 : before;
}

/** The layer's input where it was used first. */
const inputOf = (layer: Layer) => layer.getInputAt(0) as tf.SymbolicTensor;
