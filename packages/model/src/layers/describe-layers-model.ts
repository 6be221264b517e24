/** Computes the shape table of a model that code makes. */
import type { tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { elementCount } from "@lockstep/formats";
import type { LayerRow, ModelDescription } from "../spec/describe.ts";
import { type Layer, placedLayers } from "./layers.ts";

/**
 * Returns a row for each layer of a model, in the order of its weights. A layer that is called several times has one
 * row, with its first output. MACs are those of kernels, each of which is used once at every position of the output.
 *
 * @param name name of the model
 * @param inputShape [height, width, channels]
 */
export function describeLayersModel(
  model: tf.LayersModel,
  name: string,
  inputShape: readonly [number, number, number],
): ModelDescription {
  const rows = placedLayers(model).flatMap(({ layer, path }) =>
    layer.getClassName() === "InputLayer" ? [] : rowOf(layer, path.join("/")),
  );
  const total = (of: "parameters" | "macs") => rows.reduce((sum, row) => sum + row[of], 0);
  return { name, inputShape, rows, parameters: total("parameters"), macs: total("macs") };
}

function rowOf(layer: Layer, name: string): LayerRow {
  const output = sizesOf(firstOutput(layer));
  const kernels = layer.weights.map(({ shape }) => sizesOf(shape)).filter((shape) => shape.length > 1);
  const positions = elementCount(output.slice(0, -1));
  return {
    layer: name,
    output,
    ...(output.length === 3 && { channels: at(output, 2) }),
    ...windowOf(layer.getConfig()),
    parameters: layer.countParams(),
    macs: kernels.reduce((sum, shape) => sum + positions * elementCount(shape), 0),
  };
}

/** Returns the shape of a layer's output in its first call, with the batch. */
function firstOutput(layer: Layer): readonly (number | null)[] {
  const { shape } = [layer.getOutputAt(0)].flat()[0] ?? { shape: [] };
  return shape;
}

/** Returns the sizes of a shape without the unknown ones, such as that of the batch. */
const sizesOf = (shape: readonly (number | null)[]): number[] => shape.filter((size) => size !== null);

/** Returns the settings of a layer that slides a square window over its input. */
function windowOf(config: tf.serialization.ConfigDict): Pick<LayerRow, "kernel" | "stride" | "padding"> {
  const [kernel, stride] = [sideOf(config["kernelSize"] ?? config["poolSize"]), sideOf(config["strides"])];
  return {
    ...(kernel !== undefined && { kernel }),
    ...(kernel !== undefined && stride !== undefined && { stride }),
    ...(kernel !== undefined && config["padding"] === "valid" && { padding: 0 }),
  };
}

/** Returns the side of a square; undefined for anything else. */
function sideOf(size: unknown): number | undefined {
  if (!Array.isArray(size) || size.length !== 2) return undefined;
  const [height, width]: unknown[] = size;
  return typeof height === "number" && height === width ? height : undefined;
}
