/**
 * A model as a graph of ONNX's operators. Images have their channels first, as PyTorch has them; so the weights are
 * those of the state dict, in its layouts and under its names.
 *
 * Source: https://onnx.ai/onnx/operators/ (Conv, MaxPool, AveragePool, GlobalAveragePool, Pad, Sum, Flatten, Gemm, Relu)
 */
import type { tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import type { OnnxGraph, OnnxNode } from "@lockstep/formats";
import { z } from "zod";
import { flattenedRows } from "../layers/flattened-rows.ts";
import { type Application, graphOf, type Value } from "../layers/graph.ts";
import type { Layer } from "../layers/layers.ts";
import { signatureOf } from "../layers/signature.ts";
import { assertAllTrainable } from "../weights/state-dict.ts";
import type { StateDictName } from "../weights/state-tensors.ts";

/** The graph of a model, and what it calls its weights. */
export interface OnnxModelGraph extends OnnxGraph {
  /** Name in the state dict. */
  weights: readonly StateDictName[];
}

/** One operator of those that a layer comes to. Its inputs are what the one before it puts out, and its operands. */
interface Operation {
  operator: string;
  attributes?: OnnxNode["attributes"];
  /** Names of weights, or whole numbers. */
  operands?: (string | readonly number[])[];
}

/** @param weights names of the layer's weights in the state dict */
type Conversion = (application: Application, weights: string[]) => Operation[];

const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  InputLayer: () => [],
  Conv2D(application, weights) {
    const { activation, kernelSize, dilationRate, ...window } = settingsOf(application, convSettings);
    const attributes = windowAttributes(application, kernelSize, window, dilationRate);
    return [
      { operator: "Conv", attributes: { ...attributes, dilations: dilationRate }, operands: weights },
      ...activated(activation),
    ];
  },
  MaxPooling2D: (application) => [{ operator: "MaxPool", attributes: poolAttributes(application) }],
  // TensorFlow.js does not count its padding in the mean, nor does ONNX unless told to.
  AveragePooling2D: (application) => [{ operator: "AveragePool", attributes: poolAttributes(application) }],
  GlobalAveragePooling2D(application) {
    settingsOf(application, imageSettings);
    return [{ operator: "GlobalAveragePool" }, { operator: "Flatten" }];
  },
  ZeroPadding2D(application) {
    const [[top, bottom], [left, right]] = settingsOf(application, paddingSettings).padding;
    return [{ operator: "Pad", operands: [[0, 0, top, left, 0, 0, bottom, right]] }];
  },
  Add(application) {
    assertInput(application, IMAGE);
    return [{ operator: "Sum" }];
  },
  Flatten: () => [{ operator: "Flatten" }],
  Dense(application, weights) {
    assertInput(application, NUMBERS);
    const { activation } = settingsOf(application, activationSettings);
    return [{ operator: "Gemm", attributes: { transB: 1 }, operands: weights }, ...activated(activation)];
  },
  ReLU(application) {
    settingsOf(application, reluSettings);
    return activated("relu");
  },
  Activation: (application) => activated(settingsOf(application, activationSettings).activation),
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
export function onnxGraphOf(model: tf.LayersModel, weights: readonly StateDictName[]): OnnxModelGraph {
  assertAllTrainable(model);
  const graph: OnnxModelGraph = { name: model.name, ...signatureOf(model), nodes: [], weights, constants: new Map() };
  const weightNames = new Map(model.trainableWeights.map((weight, index) => [weight, weights[index]!.name]));
  const { applications, outputs } = graphOf(model);
  const valueNames = new Map<Application, string>();
  for (const application of applications) {
    const { layer, inputs } = application;
    const operations = conversionOf(layer)(
      application,
      layer.weights.map((weight) => weightNames.get(weight)!),
    );
    let values = inputs.length === 0 ? ["images"] : inputs.map(({ source }) => valueNames.get(source)!);
    for (const operation of operations) values = [addNode(graph, layer.name, operation, values)];
    valueNames.set(application, values[0]!);
  }
  const output = outputs[0]!;
  assertOrderedOutput(output);
  graph.nodes.push({ operator: "Identity", name: "logits", inputs: [valueNames.get(output.source)!], attributes: {} });
  return graph;
}

/** @returns the name of the node, and of its output: no other node has it, however often a layer is applied */
function addNode(graph: OnnxGraph, layer: string, { operator, ...operation }: Operation, values: string[]): string {
  const { attributes = {}, operands = [] } = operation;
  const isUsed = (name: string) => graph.nodes.some((node) => node.name === name);
  let name = `${layer}/${operator}`;
  for (let count = 1; isUsed(name); count++) name = `${layer}/${operator}_${count}`;
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
  return convert;
}

const count = z.int().nonnegative();
const pair = z.tuple([count, count]);
const imageSettings = z.object({ dataFormat: z.literal("channelsLast") });
const activationSettings = z.object({ activation: z.enum(["linear", "relu"]) });
/** A ReLU layer with a cap is another function. */
const reluSettings = z.object({ maxValue: z.null().optional() });
const windowSettings = imageSettings.extend({ strides: pair, padding: z.enum(["valid", "same"]) });
const convSettings = windowSettings.extend({ ...activationSettings.shape, kernelSize: pair, dilationRate: pair });
const poolSettings = windowSettings.extend({ poolSize: pair });
const paddingSettings = imageSettings.extend({ padding: z.tuple([pair, pair]) });

function settingsOf<T>({ layer }: Application, schema: z.ZodType<T>): T {
  const config = layer.getConfig();
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  const field = String(parsed.error.issues[0]!.path[0]);
  throw refusal(layer, `its ${field} is ${JSON.stringify(config[field])}`);
}

const activated = (activation: "linear" | "relu"): Operation[] => (activation === "relu" ? [{ operator: "Relu" }] : []);

function poolAttributes(application: Application): OnnxNode["attributes"] {
  const { poolSize, ...window } = settingsOf(application, poolSettings);
  return windowAttributes(application, poolSize, window);
}

/**
 * TensorFlow's padding "same" is t = (o − 1)·s + (k − 1)·d + 1 − i cells, floor(t / 2) of them before the image.
 * Source: TensorFlow's `tf.nn.convolution`, notes on padding.
 */
function windowAttributes(
  { inputs, outputShapes }: Application,
  kernel: readonly number[],
  { strides, padding }: z.infer<typeof windowSettings>,
  dilations: readonly number[] = [1, 1],
): OnnxNode["attributes"] {
  const [, ...input] = inputs[0]!.shape;
  const [, ...output] = outputShapes[0]!;
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

function assertInput({ layer, inputs }: Application, { rank, name }: typeof IMAGE): void {
  const other = inputs.find(({ shape }) => shape.length !== rank)?.shape.slice(1);
  if (other !== undefined) throw refusal(layer, `expected ${name} to go in, got [${other.join(", ")}]`);
}

/** A flattened image that is itself the output would have its classes in another order. */
function assertOrderedOutput(output: Value): void {
  const [positions, inputs] = flattenedRows(output) ?? [1, 1];
  if (positions > 1 && inputs > 1) {
    throw refusal(output.source.layer, "a flattened image can't be the output; end with Dense");
  }
}

function refusal(layer: Layer, reason: string): LockstepError {
  return new LockstepError(
    "ERR_ONNX_LAYER",
    `Cannot export layer ${layer.name} (${layer.getClassName()}) to ONNX: ${reason}. Use --to tfjs, which holds every ` +
      "model, or build the model of the layers that docs/models.md names under ONNX.",
  );
}
