/** Finds the layers whose weights depend on TensorFlow.js' order of an image's values, which PyTorch does not have. */
import type { tf } from "@lockstep/engine";
import { channelAxis, flattenedRows, keepsOrder } from "../layers/flattened-rows.ts";
import { graphOf, type Value } from "../layers/graph.ts";

/**
 * Returns the names of the layers whose input is an image flattened by Flatten or Reshape in TensorFlow.js' order (row,
 * column, channel). A Dense layer after Flatten is not among them, because the state dict has its columns in PyTorch's
 * order.
 */
export function layersInTfOrder(model: tf.LayersModel): string[] {
  const { applications } = graphOf(model);
  const found = applications.filter((application) => {
    const { layer, inputs } = application;
    if (keepsOrder(application)) return false;
    return inputs.some((input) => isReshaped(input) || (isFlattened(input) && layer.getClassName() !== "Dense"));
  });
  return [...new Set(found.map(({ layer }) => layer.name))];
}

function isFlattened(value: Value): boolean {
  const axes = flattenedRows(value);
  return axes !== undefined && !axes.includes(1); // with one element on an axis, nothing moves
}

/** Returns whether the value is a channels-last image that was reshaped. */
function isReshaped({ source }: Value): boolean {
  const [input] = source.inputs;
  if (input === undefined) return false;
  if (keepsOrder(source)) return source.inputs.some(isReshaped);
  if (source.layer.getClassName() !== "Reshape" || input.shape.length !== 4) return false;
  const [, height, width, channels] = input.shape as [null, number, number, number];
  return channelAxis(input) !== 1 && height * width > 1 && channels > 1;
}
