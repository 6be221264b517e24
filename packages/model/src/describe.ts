/** The shape table of a spec: what each layer puts out, and what it costs. */
import { LockstepError } from "@lockstep/errors";
import { type LayerSpec, layerNames, type ModelSpec } from "./spec.ts";

export interface LayerRow {
  layer: string;
  /** Without the batch: [height, width, channels], or [units] after flatten. */
  output: number[];
  channels?: number;
  kernel?: number;
  padding?: number;
  stride?: number;
  parameters: number;
  /** Multiply-accumulates for one sample; biases, activations and pooling are not counted. */
  macs: number;
}

export interface ModelDescription {
  name: string;
  inputShape: readonly [number, number, number];
  rows: LayerRow[];
  /** Totals over the rows. */
  parameters: number;
  macs: number;
}

/**
 * Works out every layer's output with o = floor((i − k + 2p) / s) + 1.
 *
 * @throws LockstepError ERR_MODEL_SPEC that names the layer whose input does not fit it
 */
export function describeModel(spec: ModelSpec): ModelDescription {
  const names = layerNames(spec);
  let shape: number[] = spec.inputShape;
  const rows = spec.layers.map((layer, index) => {
    const row = describeLayer(layer, names[index]!, shape, spec.name);
    shape = row.output;
    return row;
  });
  const total = (of: "parameters" | "macs") => rows.reduce((sum, row) => sum + row[of], 0);
  return { name: spec.name, inputShape: spec.inputShape, rows, parameters: total("parameters"), macs: total("macs") };
}

function describeLayer(layer: LayerSpec, name: string, input: number[], model: string): LayerRow {
  const misfit = (reason: string) => new LockstepError("ERR_MODEL_SPEC", `Layer ${name} of ${model}: ${reason}`);
  switch (layer.type) {
    case "conv":
    case "maxPool":
    case "avgPool": {
      const [height, width, channels] = input;
      if (width === undefined || channels === undefined) {
        throw misfit(`expected an image, got ${input[0]} numbers; put it before flatten.`);
      }
      const { kernel, stride, padding = 0 } = layer;
      const size = (length: number) => Math.floor((length - kernel + 2 * padding) / stride) + 1;
      const [rows, columns] = [size(height!), size(width)];
      if (rows < 1 || columns < 1) {
        throw misfit(
          `its kernel of ${kernel}×${kernel} does not fit into its input of ${height}×${width} with padding ${padding}; ` +
            "use a smaller kernel or more padding, pool less before it, or take larger images.",
        );
      }
      const window = { kernel, padding, stride };
      if (layer.type !== "conv") {
        return { layer: name, output: [rows, columns, channels], channels, ...window, parameters: 0, macs: 0 };
      }
      const weights = kernel * kernel * channels * layer.filters;
      const [parameters, macs] = [weights + layer.filters, rows * columns * weights];
      return { layer: name, output: [rows, columns, layer.filters], channels: layer.filters, ...window, parameters, macs };
    }
    case "flatten":
      if (input.length === 1) throw misfit("its input is flat already; leave it out.");
      return { layer: name, output: [input.reduce((product, length) => product * length, 1)], parameters: 0, macs: 0 };
    case "dense": {
      const [inputs, ...more] = input;
      if (more.length > 0) throw misfit(`expected flat numbers, got an image of ${input.join("×")}; put flatten before it.`);
      const macs = inputs! * layer.units;
      return { layer: name, output: [layer.units], parameters: macs + layer.units, macs };
    }
    case "dropout":
      return { layer: name, output: input, parameters: 0, macs: 0 };
  }
}

/** The description as a text table; every line ends in a newline. MACs are those of one sample. */
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
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const line = (row: string[]) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  ");
  return `${name}\n${table.map((row) => line(row).trimEnd()).join("\n")}\n`;
}
