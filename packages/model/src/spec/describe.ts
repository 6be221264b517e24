/** Computes the shape table of a spec: each layer's output shape and cost. */

import { at, LockstepError } from "@lockstep/errors";
import { elementCount } from "@lockstep/formats";
import { type LayerSpec, layerNames, type ModelSpec } from "./spec.ts";

/** One layer of a spec: its settings, its output and its cost. */
export interface LayerRow {
  layer: string;
  /** Shape without the batch: [height, width, channels], or [units] after flatten. */
  output: number[];
  channels?: number;
  kernel?: number;
  padding?: number;
  stride?: number;
  parameters: number;
  /** Multiply-accumulates for one sample. Biases, activations and pooling are not counted. */
  macs: number;
}

/** The shape table of a spec. */
export interface ModelDescription {
  name: string;
  inputShape: readonly [number, number, number];
  rows: LayerRow[];
  /** Totals over the rows. */
  parameters: number;
  macs: number;
}

/**
 * Computes every layer's output with o = floor((i − k + 2p) / s) + 1.
 *
 * @throws LockstepError ERR_MODEL_SPEC that names the layer whose input does not fit it
 */
export function describeModel(spec: ModelSpec): ModelDescription {
  const names = layerNames(spec);
  let shape: number[] = spec.inputShape;
  const rows = spec.layers.map((layer, index) => {
    const row = describeLayer(layer, at(names, index), shape, spec.name);
    shape = row.output;
    return row;
  });
  const total = (of: "parameters" | "macs") => rows.reduce((sum, row) => sum + row[of], 0);
  return { name: spec.name, inputShape: spec.inputShape, rows, parameters: total("parameters"), macs: total("macs") };
}

function describeLayer(layer: LayerSpec, name: string, input: number[], model: string): LayerRow {
  const misfit: Misfit = (reason) => {
    throw new LockstepError("ERR_MODEL_SPEC", `Layer ${name} of ${model}: ${reason}`);
  };
  switch (layer.type) {
    case "conv":
    case "maxPool":
    case "avgPool":
      return { layer: name, ...describeWindow(layer, input, misfit) };
    case "flatten":
      if (input.length === 1) misfit("its input is already flat; remove this layer.");
      return { layer: name, output: [elementCount(input)], parameters: 0, macs: 0 };
    case "dense": {
      if (input.length > 1)
        misfit(`expected a flat input, got an image of ${input.join("×")}; put a flatten layer before it.`);
      const macs = at(input, 0) * layer.units;
      return { layer: name, output: [layer.units], parameters: macs + layer.units, macs };
    }
    case "dropout":
      return { layer: name, output: input, parameters: 0, macs: 0 };
  }
}

type Misfit = (reason: string) => never;
type WindowSpec = Extract<LayerSpec, { kernel: number }>;

function describeWindow(layer: WindowSpec, input: number[], misfit: Misfit): Omit<LayerRow, "layer"> {
  const [height = 0, width = 0, inputChannels = 0] = input;
  const { kernel, stride, padding = 0 } = layer;
  if (input.length === 1)
    misfit(`expected an image, got a flat input of ${height} numbers; put it before the flatten layer.`);
  const outputSize = (length: number) => Math.floor((length - kernel + 2 * padding) / stride) + 1;
  const [rows, columns] = [outputSize(height), outputSize(width)];
  if (rows < 1 || columns < 1) {
    misfit(
      `its kernel of ${kernel}×${kernel} does not fit into its input of ${height}×${width} with padding ${padding}; ` +
        "use a smaller kernel, more padding, less pooling before it, or larger images.",
    );
  }
  const channels = layer.type === "conv" ? layer.filters : inputChannels;
  const weights = layer.type === "conv" ? kernel * kernel * inputChannels * layer.filters : 0;
  return {
    output: [rows, columns, channels],
    channels,
    kernel,
    padding,
    stride,
    parameters: layer.type === "conv" ? weights + layer.filters : 0,
    macs: rows * columns * weights,
  };
}

/** Formats the description as a text table, each line with a newline. MACs are those of one sample. */
export function formatDescription({ name, inputShape, rows, parameters, macs }: ModelDescription): string {
  const number = (value: number | undefined) => value?.toLocaleString("en-US") ?? "";
  const size = (output: readonly number[]) => output.slice(0, output.length === 3 ? 2 : 1).join("×");
  const table = [
    ["layer", "output", "channels", "kernel", "padding", "stride", "parameters", "MACs"],
    ["input", size(inputShape), number(inputShape[2]), "", "", "", "", ""],
    ...rows.map((row) => [
      row.layer,
      size(row.output),
      number(row.channels),
      row.kernel === undefined ? "" : `${row.kernel}×${row.kernel}`,
      number(row.padding),
      number(row.stride),
      number(row.parameters),
      number(row.macs),
    ]),
    ["total", "", "", "", "", "", number(parameters), number(macs)],
  ];
  const widths = at(table, 0).map((_, column) => Math.max(...table.map((row) => at(row, column).length)));
  const line = (row: string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(at(widths, 0)) : cell.padStart(at(widths, column))))
      .join("  ");
  return `${name}\n${table.map((row) => line(row).trimEnd()).join("\n")}\n`;
}
