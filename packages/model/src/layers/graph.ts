/**
 * Represents a model as a graph of layer applications. A layer object may be applied several times, and so may a model
 * inside the model; here each application is a separate node, and nested models are inlined. Use this graph to find a
 * layer's inputs: `layer.input` throws if the layer has several applications.
 */
import type { tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { isModel, type Layer } from "./layers.ts";

/** One application of a layer that is not a model. */
export interface Application {
  layer: Layer;
  /** The inputs. An InputLayer, which stands for the model's own input, has none. */
  inputs: Value[];
  /** The shapes of the outputs. */
  outputShapes: tf.Shape[];
}

/** A tensor of the graph: one output of an application. */
export interface Value {
  source: Application;
  shape: tf.Shape;
}

/** The layer applications that the model's outputs depend on. */
export interface Graph {
  /** In topological order: each application follows those that compute its inputs. */
  applications: Application[];
  outputs: Value[];
}

/** One application of a model or a layer, as TensorFlow.js records it. */
type Node = Layer["inboundNodes"][number];

/** A symbolic tensor, and the applications of the models that contain it, outermost first. */
interface Place {
  tensor: tf.SymbolicTensor;
  within: readonly Node[];
}

/** Returns the graph of all layer applications that the model's outputs depend on. */
export function graphOf(model: tf.LayersModel): Graph {
  const known = new Map<string, Application>();
  const valueAt = (place: Place): Value => {
    const { tensor, within } = sourceOf(place);
    const node = at(tensor.sourceLayer.inboundNodes, tensor.nodeIndex);
    const key = [...within, node].map(({ id }) => id).join();
    let source = known.get(key);
    if (source === undefined) {
      const isInput = node.inputTensors.includes(tensor); // an InputLayer's node outputs its input
      source = {
        layer: tensor.sourceLayer,
        inputs: isInput ? [] : node.inputTensors.map((input) => valueAt({ tensor: input, within })),
        outputShapes: node.outputTensors.map(({ shape }) => shape),
      };
      known.set(key, source);
    }
    return { source, shape: tensor.shape };
  };
  const outputs = model.outputs.map((tensor) => valueAt({ tensor, within: [] }));
  return { applications: [...known.values()], outputs };
}

/**
 * Resolves the output of a nested model to the tensor inside it, and its input to the outer tensor that it receives.
 */
function sourceOf({ tensor, within }: Place): Place {
  const layer = tensor.sourceLayer;
  if (isModel(layer)) {
    const application = at(layer.inboundNodes, tensor.nodeIndex);
    return sourceOf({ tensor: at(layer.outputs, tensor.tensorIndex), within: [...within, application] });
  }
  const holder = within.at(-1);
  if (holder === undefined || !isModel(holder.outboundLayer)) return { tensor, within };
  const outerInput = holder.inputTensors[holder.outboundLayer.inputs.indexOf(tensor)];
  return outerInput === undefined ? { tensor, within } : sourceOf({ tensor: outerInput, within: within.slice(0, -1) });
}
