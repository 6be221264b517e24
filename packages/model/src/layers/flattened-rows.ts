/** Determines the order of the values of a flattened image. */
import { at, defined, LockstepError } from "@lockstep/errors";
import type { Application, Graph, Value } from "./graph.ts";
import type { Layer } from "./layers.ts";

/** The first two of a Dense kernel's `KernelAxes`. Reversing them puts its rows into CHW order. */
export type RowAxes = readonly [positions: number, inputs: number];

/**
 * Layers that keep every value of a row at its position. Those with several inputs combine values at equal positions.
 */
const IN_PLACE = new Set(
  `Dropout Activation ReLU LeakyReLU ELU ThresholdedReLU Softmax Rescaling
  Add Multiply Average Maximum Minimum`.split(/\s+/),
);

/** Cached results by application, so that each is followed only once even if branches join repeatedly. */
const known = new WeakMap<Application, RowAxes | undefined>();

/**
 * Returns the axes to reverse if `value` is a flattened image whose order is not PyTorch's (channel, row, column);
 * otherwise undefined.
 */
export function flattenedRows({ source, shape }: Value): RowAxes | undefined {
  if (shape.length !== 2) return undefined;
  if (!known.has(source)) known.set(source, rowsOf(source));
  return known.get(source);
}

/** Returns whether the output has the order of the inputs. Inputs with different orders have no common one. */
export function keepsOrder({ layer, inputs }: Application): boolean {
  if (!IN_PLACE.has(layer.getClassName())) return false;
  const rows = inputs.map(flattenedRows);
  return rows.every((axes) => String(axes) === String(rows[0]));
}

function rowsOf(source: Application): RowAxes | undefined {
  if (keepsOrder(source)) return flattenedRows(at(source.inputs, 0));
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
 * @throws LockstepError ERR_MODEL_REFUSED if the applications have inputs in different orders
 */
export function flattenedRowsOf(layer: Layer, { applications }: Graph): RowAxes | undefined {
  const rows = applications.filter((one) => one.layer === layer).map(({ inputs }) => flattenedRows(at(inputs, 0)));
  // If one of the axes has one element, nothing moves.
  const moved = rows.map((axes) => (axes?.includes(1) ? undefined : axes));
  if (moved.every((axes) => String(axes) === String(moved[0]))) return rows[0];
  throw new LockstepError(
    "ERR_MODEL_REFUSED",
    `The Dense layer ${layer.name} is applied several times, to flattened images and to values in another order. ` +
      "PyTorch flattens images channels first, so no order of the layer's columns suits all applications; " +
      "use a separate layer object for each.",
  );
}

/**
 * Returns the axis of [batch, a, b, c] that holds the channels: the one in the layer's data format, or else that of the
 * layer's input. It is the last axis of the model's input, and of a Reshape's output.
 */
export function channelAxis({ source }: Value): number {
  const { dataFormat, dims } = source.layer.getConfig() as { dataFormat?: string; dims?: number[] };
  if (dataFormat !== undefined) return dataFormat === "channelsFirst" ? 1 : 3;
  const [input] = source.inputs;
  if (source.layer.getClassName() === "Reshape" || input?.shape.length !== 4) return 3;
  const before = channelAxis(input);
  return source.layer.getClassName() === "Permute"
    ? defined(dims, "the dims of a Permute layer").indexOf(before) + 1
    : before;
}
