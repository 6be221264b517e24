/**
 * A model as a graph of ONNX's operators. Images have their channels first, as PyTorch has them; so the weights are
 * those of the state dict, in its layouts and under its names.
 *
 * Source: https://onnx.ai/onnx/operators/ (Conv, MaxPool, AveragePool, GlobalAveragePool, Pad, Sum, Flatten, Gemm, Relu)
 */
import type { tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import { z } from "zod";
import { flattenedRows } from "./flattened-rows.ts";
import type { Layer } from "./layers.ts";
import { signatureOf } from "./signature.ts";
import { expectAllTrained, type StateDictName } from "./state-dict.ts";

export interface OnnxNode {
  operator: string;
  name: string;
  /** Names of the graph's input, of weights and constants, and of other nodes, whose only output has their name. */
  inputs: string[];
  attributes: Record<string, number | readonly number[]>;
}

/** All of an ONNX model except for the numbers. Its input is "images", its output "logits". */
export interface OnnxGraph {
  name: string;
  /** [height, width, channels], which in ONNX is [batch, channels, height, width]. */
  inputShape: readonly [number, number, number];
  numClasses: number;
  nodes: OnnxNode[];
  /** In the state dict. */
  weights: readonly StateDictName[];
  /** Operands that are whole numbers, by name. */
  constants: Map<string, readonly number[]>;
}

/** One operator of those that a layer comes to. Its inputs are what the one before it puts out, and its operands. */
interface Operation {
  operator: string;
  attributes?: OnnxNode["attributes"];
  /** Names of weights, or whole numbers. */
  operands?: (string | readonly number[])[];
}

/** @param weights names of the layer's weights in the state dict */
type Conversion = (layer: Layer, weights: string[]) => Operation[];

const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  InputLayer: () => [],
  Conv2D(layer, weights) {
    const { activation, kernelSize, dilationRate, ...window } = settingsOf(layer, convSettings);
    const attributes = windowAttributes(layer, kernelSize, window, dilationRate);
    return [
      { operator: "Conv", attributes: { ...attributes, dilations: dilationRate }, operands: weights },
      ...activated(activation),
    ];
  },
  MaxPooling2D: (layer) => [{ operator: "MaxPool", attributes: poolAttributes(layer) }],
  // TensorFlow.js does not count its padding in the mean, nor does ONNX unless told to.
  AveragePooling2D: (layer) => [{ operator: "AveragePool", attributes: poolAttributes(layer) }],
  GlobalAveragePooling2D(layer) {
    settingsOf(layer, imageSettings);
    return [{ operator: "GlobalAveragePool" }, { operator: "Flatten" }];
  },
  ZeroPadding2D(layer) {
    const [[top, bottom], [left, right]] = settingsOf(layer, paddingSettings).padding;
    return [{ operator: "Pad", operands: [[0, 0, top, left, 0, 0, bottom, right]] }];
  },
  Add(layer) {
    expectInput(layer, IMAGE);
    return [{ operator: "Sum" }];
  },
  Flatten: () => [{ operator: "Flatten" }],
  Dense(layer, weights) {
    expectInput(layer, NUMBERS);
    const { activation } = settingsOf(layer, activationSettings);
    return [{ operator: "Gemm", attributes: { transB: 1 }, operands: weights }, ...activated(activation)];
  },
  Activation: (layer) => activated(settingsOf(layer, activationSettings).activation),
  Dropout: () => [],
};

/**
 * The graph of a model that is made of layers with a counterpart in ONNX: those that specs are made of, and a few more.
 *
 * A flattened image has its numbers in another order than in TensorFlow.js. Dense kernels of the state dict have that
 * order, too; no other layer may depend on it. So rows of numbers go into Dense layers and those that keep each number
 * in its place, and into no others.
 *
 * @param weights the name of each of `model.trainableWeights`, from `stateDictNames`
 * @throws LockstepError ERR_ONNX_LAYER that names the layer that can't be expressed, ERR_MODEL_REFUSED for weights that
 *   are not trained
 */
export function onnxGraphOf(model: tf.LayersModel, weights: readonly StateDictName[]): OnnxGraph {
  expectAllTrained(model);
  const graph: OnnxGraph = { name: model.name, ...signatureOf(model), nodes: [], weights, constants: new Map() };
  const weightNames = new Map(model.trainableWeights.map((weight, index) => [weight, weights[index]!.name]));
  const valueNames = new Map([[model.inputs[0]!.id, "images"]]);
  for (const layer of model.layers) {
    const convert = conversionOf(layer);
    const operations = convert(
      layer,
      layer.weights.map((weight) => weightNames.get(weight)!),
    );
    let values = inputsOf(layer).map(({ id }) => valueNames.get(id)!);
    for (const operation of operations) values = [addNode(graph, layer.name, operation, values)];
    valueNames.set(outputOf(layer).id, values[0]!);
  }
  const output = model.outputs[0]!;
  expectOrderedOutput(output);
  graph.nodes.push({ operator: "Identity", name: "logits", inputs: [valueNames.get(output.id)!], attributes: {} });
  return graph;
}

/** @returns the name of the node, and of its output */
function addNode(graph: OnnxGraph, layer: string, { operator, ...operation }: Operation, values: string[]): string {
  const { attributes = {}, operands = [] } = operation;
  const name = `${layer}/${operator}`;
  const operandNames = operands.map((operand) => {
    if (typeof operand === "string") return operand;
    graph.constants.set(`${name}/operand`, operand);
    return `${name}/operand`;
  });
  graph.nodes.push({ operator, name, inputs: [...values, ...operandNames], attributes });
  return name;
}

function conversionOf(layer: Layer): Conversion {
  const convert = CONVERSIONS[layer.getClassName()];
  if (convert === undefined) throw refusal(layer, "ONNX export does not know such layers");
  if (layer.inboundNodes.length > 1) throw refusal(layer, "it is used in several places");
  return convert;
}

const count = z.int().nonnegative();
const pair = z.tuple([count, count]);
const imageSettings = z.object({ dataFormat: z.literal("channelsLast") });
const activationSettings = z.object({ activation: z.enum(["linear", "relu"]) });
const windowSettings = imageSettings.extend({ strides: pair, padding: z.enum(["valid", "same"]) });
const convSettings = windowSettings.extend({ ...activationSettings.shape, kernelSize: pair, dilationRate: pair });
const poolSettings = windowSettings.extend({ poolSize: pair });
const paddingSettings = imageSettings.extend({ padding: z.tuple([pair, pair]) });

function settingsOf<T>(layer: Layer, schema: z.ZodType<T>): T {
  const config = layer.getConfig();
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  const field = String(parsed.error.issues[0]!.path[0]);
  throw refusal(layer, `its ${field} is ${JSON.stringify(config[field])}`);
}

const activated = (activation: "linear" | "relu"): Operation[] => (activation === "relu" ? [{ operator: "Relu" }] : []);

function poolAttributes(layer: Layer): OnnxNode["attributes"] {
  const { poolSize, ...window } = settingsOf(layer, poolSettings);
  return windowAttributes(layer, poolSize, window);
}

/**
 * TensorFlow's padding "same" is t = (o − 1)·s + (k − 1)·d + 1 − i cells, floor(t / 2) of them before the image.
 * Source: TensorFlow's `tf.nn.convolution`, notes on padding.
 */
function windowAttributes(
  layer: Layer,
  kernel: readonly number[],
  { strides, padding }: z.infer<typeof windowSettings>,
  dilations: readonly number[] = [1, 1],
): OnnxNode["attributes"] {
  const [, ...input] = inputsOf(layer)[0]!.shape;
  const [, ...output] = outputOf(layer).shape;
  const cells = [0, 1].map((axis) => {
    if (padding === "valid") return 0;
    const reach = (output[axis]! - 1) * strides[axis]! + (kernel[axis]! - 1) * dilations[axis]! + 1;
    return Math.max(reach - input[axis]!, 0);
  });
  const before = cells.map((all) => Math.floor(all / 2));
  return { kernel_shape: kernel, strides, pads: [...before, ...cells.map((all, axis) => all - before[axis]!)] };
}

const IMAGE = { rank: 4, name: "an image" };
const NUMBERS = { rank: 2, name: "a row of numbers" };

function expectInput(layer: Layer, { rank, name }: typeof IMAGE): void {
  const other = inputsOf(layer)
    .find(({ shape }) => shape.length !== rank)
    ?.shape.slice(1);
  if (other !== undefined) throw refusal(layer, `expected ${name} to go in, got [${other.join(", ")}]`);
}

/** A flattened image that is itself the output would have its classes in another order. */
function expectOrderedOutput(output: tf.SymbolicTensor): void {
  const [positions, inputs] = flattenedRows(output) ?? [1, 1];
  if (positions > 1 && inputs > 1)
    throw refusal(output.sourceLayer, "a flattened image can't be the output; end with Dense");
}

const inputsOf = (layer: Layer): tf.SymbolicTensor[] => [layer.getInputAt(0)].flat();
const outputOf = (layer: Layer): tf.SymbolicTensor => [layer.getOutputAt(0)].flat()[0]!;

function refusal(layer: Layer, reason: string): LockstepError {
  return new LockstepError(
    "ERR_ONNX_LAYER",
    `Cannot export layer ${layer.name} (${layer.getClassName()}) to ONNX: ${reason}. Use --to tfjs, which holds every ` +
      "model, or build the model of the layers that docs/models.md names under ONNX.",
  );
}
