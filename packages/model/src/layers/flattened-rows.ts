/** The order in which the numbers of a flattened image stand in a row. */
import { LockstepError } from "@lockstep/errors";
import type { Application, Graph, Value } from "./graph.ts";
import type { Layer } from "./layers.ts";

/** The first two of a Dense kernel's `KernelAxes`: reversed, its rows stand in CHW order. */
export type RowAxes = readonly [positions: number, inputs: number];

/** Layers that keep every number of a row in its place; those of several inputs join numbers in the same place. */
const IN_PLACE = new Set(
  `Dropout Activation ReLU LeakyReLU ELU ThresholdedReLU Softmax Rescaling
  Add Multiply Average Maximum Minimum`.split(/\s+/),
);

/** Rows by application, so that each is followed once where branches join again and again. */
const known = new WeakMap<Application, RowAxes | undefined>();

/**
 * Returns the axes to reverse where `value` is a flattened image whose numbers are in another order than the channel,
 * row, column of PyTorch's `nn.Flatten`; otherwise undefined.
 */
export function flattenedRows({ source, shape }: Value): RowAxes | undefined {
  if (shape.length !== 2) return undefined;
  if (!known.has(source)) known.set(source, rowsOf(source));
  return known.get(source);
}

/** Returns whether the output has the order of the input; inputs of different orders have none in common. */
export function keepsOrder({ layer, inputs }: Application): boolean {
  if (!IN_PLACE.has(layer.getClassName())) return false;
  const rows = inputs.map(flattenedRows);
  return rows.every((axes) => String(axes) === String(rows[0]));
}

function rowsOf(source: Application): RowAxes | undefined {
  if (keepsOrder(source)) return flattenedRows(source.inputs[0]!);
  const [input] = source.inputs;
  if (source.layer.getClassName() !== "Flatten" || input?.shape.length !== 4) return undefined;
  const [, a, b, c] = input.shape as [null, number, number, number];
  const movesFirstAxisLast = source.layer.getConfig()["dataFormat"] === "channelsFirst";
  if (channelAxis(input) === 1) return movesFirstAxisLast ? [b * c, a] : undefined;
  // Rows in the order (b, c, a), with c the channels, are a matrix [b, c·a]; its transpose is (c, a, b).
  return movesFirstAxisLast ? [b, c * a] : [a * b, c];
}

/**
 * Returns the axes to reverse for a Dense layer's kernel. The layer may be applied in several places.
 *
 * @throws LockstepError ERR_MODEL_REFUSED if the places differ in the order of their numbers
 */
export function flattenedRowsOf(layer: Layer, { applications }: Graph): RowAxes | undefined {
  const rows = applications.filter((one) => one.layer === layer).map(({ inputs }) => flattenedRows(inputs[0]!));
  // Where one of the axes has one element, nothing moves.
  const moved = rows.map((axes) => (axes?.includes(1) ? undefined : axes));
  if (moved.every((axes) => String(axes) === String(moved[0]))) return rows[0];
  throw new LockstepError(
    "ERR_MODEL_REFUSED",
    `The Dense layer ${layer.name} is applied in several places, to flattened images in one and to numbers in another ` +
      "order elsewhere. PyTorch flattens images channels first, so no order of the layer's columns is right in all " +
      "places; use a layer object of its own for each of them.",
  );
}

/**
 * Which axis of [batch, a, b, c] holds the channels: as the layer that made the image says, or as in the image that it
 * was made of. It is the last one of the model's input, and of what a Reshape made.
 */
export function channelAxis({ source }: Value): number {
  const { dataFormat, dims } = source.layer.getConfig() as { dataFormat?: string; dims?: number[] };
  if (dataFormat !== undefined) return dataFormat === "channelsFirst" ? 1 : 3;
  const [input] = source.inputs;
  if (source.layer.getClassName() === "Reshape" || input?.shape.length !== 4) return 3;
  const before = channelAxis(input);
  return source.layer.getClassName() === "Permute" ? dims!.indexOf(before) + 1 : before;
}
