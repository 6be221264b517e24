/**
 * Converts a model to a graph of ONNX operators. Images are channels-first, as in PyTorch, so the weights have the
 * layouts and names of the state dict.
 *
 * Source: https://onnx.ai/onnx/operators/ (Conv, MaxPool, AveragePool, GlobalAveragePool, Pad,
 * Sum, Flatten, Gemm, Relu)
 */
import type { tf } from "@lockstep/engine";
import { at, defined, LockstepError } from "@lockstep/errors";
import type { OnnxGraph, OnnxNode } from "@lockstep/formats";
import { z } from "zod";
import { flattenedRows } from "../layers/flattened-rows.ts";
import { type Application, graphOf, type Value } from "../layers/graph.ts";
import type { Layer } from "../layers/layers.ts";
import { signatureOf } from "../layers/signature.ts";
import { assertAllTrainable } from "../weights/state-dict.ts";
import type { StateDictName } from "../weights/state-tensors.ts";

/** The graph of a model, and the names of its weights. */
export interface OnnxModelGraph extends OnnxGraph {
  /** Names in the state dict. */
  weights: readonly StateDictName[];
}

/** One of the operators that express a layer. Its inputs are the outputs of the previous operator, and its operands. */
interface Operation {
  operator: string;
  attributes?: OnnxNode["attributes"];
  /** Names of weights, or integers. */
  operands?: (string | readonly number[])[];
}

/** Converts one application of a layer. @param weights names of the layer's weights in the state dict */
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
  // Neither TensorFlow.js nor ONNX, by default, counts the padding in the mean.
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
 * Returns the graph of a model whose layers all have a counterpart in ONNX: the layers of specs, and a few more.
 *
 * The values of a flattened image have another order than in TensorFlow.js. The Dense kernels of the state dict have
 * that order too, but no other layer may depend on it. So rows of values may go only into Dense layers and into layers
 * that keep each value at its position.
 *
 * @param weights the name of each of `model.trainableWeights`, from `stateDictNames`
 * @throws LockstepError ERR_ONNX_LAYER that names the layer that cannot be exported, ERR_MODEL_REFUSED for weights that
 *   are not trained
 */
export function onnxGraphOf(model: tf.LayersModel, weights: readonly StateDictName[]): OnnxModelGraph {
  assertAllTrainable(model);
  const graph: OnnxModelGraph = { name: model.name, ...signatureOf(model), nodes: [], weights, constants: new Map() };
  const weightNames = new Map(model.trainableWeights.map((weight, index) => [weight, at(weights, index).name]));
  const { applications, outputs } = graphOf(model);
  const valueNames = new Map<Application, string>();
  const nameOf = ({ source }: Value) => defined(valueNames.get(source), `a node for the layer ${source.layer.name}`);
  for (const application of applications) {
    const { layer, inputs } = application;
    const operations = conversionOf(layer)(
      application,
      layer.weights.map((weight) => defined(weightNames.get(weight), `a name of the weight ${weight.originalName}`)),
    );
    let values = inputs.length === 0 ? ["images"] : inputs.map(nameOf);
    for (const operation of operations) values = [addNode(graph, layer.name, operation, values)];
    valueNames.set(application, at(values, 0));
  }
  const output = at(outputs, 0);
  assertOrderedOutput(output);
  graph.nodes.push({ operator: "Identity", name: "logits", inputs: [nameOf(output)], attributes: {} });
  return graph;
}

/**
 * Adds a node. Returns its name, which is also that of its output and unique even if a layer is applied several times.
 */
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
  if (convert === undefined) throw refusal(layer, "the ONNX export does not support this layer");
  return convert;
}

const count = z.int().nonnegative();
const pair = z.tuple([count, count]);
const imageSettings = z.object({ dataFormat: z.literal("channelsLast") });
const activationSettings = z.object({ activation: z.enum(["linear", "relu"]) });
/** A ReLU layer with a maximum is a different function. */
const reluSettings = z.object({ maxValue: z.null().optional() });
const windowSettings = imageSettings.extend({ strides: pair, padding: z.enum(["valid", "same"]) });
const convSettings = windowSettings.extend({ ...activationSettings.shape, kernelSize: pair, dilationRate: pair });
const poolSettings = windowSettings.extend({ poolSize: pair });
const paddingSettings = imageSettings.extend({ padding: z.tuple([pair, pair]) });

function settingsOf<T>({ layer }: Application, schema: z.ZodType<T>): T {
  const config = layer.getConfig();
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  const field = String(parsed.error.issues[0]?.path[0]);
  throw refusal(layer, `its ${field} is ${JSON.stringify(config[field])}`);
}

const activated = (activation: "linear" | "relu"): Operation[] => (activation === "relu" ? [{ operator: "Relu" }] : []);

function poolAttributes(application: Application): OnnxNode["attributes"] {
  const { poolSize, ...window } = settingsOf(application, poolSettings);
  return windowAttributes(application, poolSize, window);
}

/**
 * Returns the attributes of a window. TensorFlow's padding "same" is t = (o − 1)·s + (k − 1)·d + 1 − i cells, floor(t /
 * 2) of them before the image. Source: TensorFlow's `tf.nn.convolution`, notes on padding.
 */
function windowAttributes(
  { inputs, outputShapes }: Application,
  kernel: readonly number[],
  { strides, padding }: z.infer<typeof windowSettings>,
  dilations: readonly number[] = [1, 1],
): OnnxNode["attributes"] {
  const [, ...input] = at(inputs, 0).shape;
  const [, ...output] = at(outputShapes, 0);
  const cells = [0, 1].map((axis) => {
    if (padding === "valid") return 0;
    const reach = (sizeAt(output, axis) - 1) * at(strides, axis) + (at(kernel, axis) - 1) * at(dilations, axis) + 1;
    return Math.max(reach - sizeAt(input, axis), 0);
  });
  const before = cells.map((all) => Math.floor(all / 2));
  return { kernel_shape: kernel, strides, pads: [...before, ...cells.map((all, axis) => all - at(before, axis))] };
}

const sizeAt = (shape: tf.Shape, axis: number) => defined(shape[axis], `a size of axis ${axis}`);

const IMAGE = { rank: 4, name: "an image" };
const NUMBERS = { rank: 2, name: "a row of values" };

function assertInput({ layer, inputs }: Application, { rank, name }: typeof IMAGE): void {
  const other = inputs.find(({ shape }) => shape.length !== rank)?.shape.slice(1);
  if (other !== undefined) throw refusal(layer, `expected ${name} as its input, got [${other.join(", ")}]`);
}

/** Refuses a flattened image as the output, because its classes would be in another order. */
function assertOrderedOutput(output: Value): void {
  const [positions, inputs] = flattenedRows(output) ?? [1, 1];
  if (positions > 1 && inputs > 1) {
    throw refusal(output.source.layer, "a flattened image cannot be the output; end with Dense");
  }
}

function refusal(layer: Layer, reason: string): LockstepError {
  return new LockstepError(
    "ERR_ONNX_LAYER",
    `Cannot export layer ${layer.name} (${layer.getClassName()}) to ONNX: ${reason}. Use --to tfjs, which supports ` +
      "every model, or build the model from the layers that docs/models.md lists under ONNX.",
  );
}
