/** Builds a `tf.LayersModel` of standard layers from a spec. After a save, `tf.loadLayersModel` can load it. */

import { tf } from "@lockstep/engine";
import { at, LockstepError } from "@lockstep/errors";
import { describeModel } from "./describe.ts";
import { type LayerSpec, layerNames, MAX_PARAMETERS, type ModelSpec } from "./spec.ts";

/**
 * Builds the model with all weights zero; `initialWeights` draws them. Layers have the names of the spec (see
 * `layerNames`). The caller disposes of the model.
 *
 * @throws LockstepError ERR_MODEL_SPEC that names the layer that does not fit or cannot be expressed
 */
export function buildModel(spec: ModelSpec): tf.LayersModel {
  const { rows, parameters } = describeModel(spec);
  if (parameters > MAX_PARAMETERS) {
    const text = `Expected a model of at most ${MAX_PARAMETERS} parameters, but ${spec.name} has ${parameters}`;
    throw new LockstepError("ERR_MODEL_SPEC", `${text}; make its layers smaller.`);
  }
  const names = layerNames(spec);
  const inputs = tf.input({ shape: [...spec.inputShape], name: "images" });
  let outputs = inputs;
  for (const [index, layer] of spec.layers.entries()) {
    const input = index === 0 ? spec.inputShape : at(rows, index - 1).output;
    const tfLayers = tfLayersOf(layer, at(names, index), input);
    for (const tfLayer of tfLayers) outputs = tfLayer.apply(outputs) as tf.SymbolicTensor;
  }
  return tf.model({ name: spec.name, inputs, outputs });
}

function tfLayersOf(layer: LayerSpec, name: string, input: readonly number[]): tf.layers.Layer[] {
  switch (layer.type) {
    case "conv": {
      const { filters, kernel: kernelSize, stride: strides, activation } = layer;
      const padding = paddingMode(layer, input);
      const options = {
        name,
        filters,
        kernelSize,
        strides,
        kernelInitializer: "zeros" as const,
        ...activated(activation),
      };
      if (padding !== "explicit") return [tf.layers.conv2d({ ...options, padding })];
      return [zeroPadding(layer, name), tf.layers.conv2d({ ...options, padding: "valid" })];
    }
    case "maxPool": {
      const padding = paddingMode(layer, input);
      if (padding !== "explicit") return [tf.layers.maxPooling2d({ name, ...poolWindow(layer), padding })];
      throw new LockstepError(
        "ERR_MODEL_SPEC",
        `Layer ${name}: TensorFlow.js cannot max-pool ${input[0]}×${input[1]} with kernel ${layer.kernel}, stride ${layer.stride} and ` +
          `padding ${layer.padding}. Its only padding is "same", and zeros around the image would exceed negative values. ` +
          "Use padding 0, or pad the convolution before it.",
      );
    }
    case "avgPool": {
      const pool = tf.layers.averagePooling2d({ name, ...poolWindow(layer), padding: "valid" });
      return (layer.padding ?? 0) === 0 ? [pool] : [zeroPadding(layer, name), pool];
    }
    case "flatten":
      return [tf.layers.flatten({ name })];
    case "dense":
      return [
        tf.layers.dense({ name, units: layer.units, kernelInitializer: "zeros", ...activated(layer.activation) }),
      ];
    case "dropout":
      return [tf.layers.dropout({ name, rate: layer.rate })];
  }
}

interface Window {
  kernel: number;
  stride: number;
  padding?: number | undefined;
}

/**
 * Returns how TensorFlow.js can express a symmetric padding. Its mode "same" gives ceil(i / s) outputs and pads
 * t = (o − 1)·s + k − i cells, floor(t / 2) of them before the image. If that equals the spec's padding, no separate
 * padding layer is needed. Source: TensorFlow's `tf.nn.convolution`, notes on padding.
 */
function paddingMode({ kernel, stride, padding = 0 }: Window, input: readonly number[]): "valid" | "same" | "explicit" {
  if (padding === 0) return "valid";
  const same = input.slice(0, 2).every((size) => {
    const outputs = Math.floor((size - kernel + 2 * padding) / stride) + 1;
    const cells = Math.max((outputs - 1) * stride + kernel - size, 0);
    return outputs === Math.ceil(size / stride) && Math.floor(cells / 2) === padding;
  });
  return same ? "same" : "explicit";
}

function zeroPadding({ padding = 0 }: Window, name: string): tf.layers.Layer {
  return tf.layers.zeroPadding2d({ name: `${name}_padding`, padding: [padding, padding] });
}

const poolWindow = ({ kernel, stride }: Window) => ({ poolSize: kernel, strides: stride });

const activated = (activation: "relu" | undefined) => (activation === undefined ? {} : { activation });
