/**
 * A model as the graph of what it computes. A layer object may be applied in several places, and so may a whole model
 * inside the model; here each application stands by itself, and no model stands inside another. Whoever asks what goes
 * into a layer must walk this graph: `layer.input` is the input of one application, or an error if there are several.
 */
import type { tf } from "@lockstep/engine";
import { isModel, type Layer } from "./layers.ts";

/** One application of a layer that is no model. */
export interface Application {
  layer: Layer;
  /** The inputs. An InputLayer's application has none: it stands for the model's own input. */
  inputs: Value[];
  /** The shapes of what comes out. */
  outputShapes: tf.Shape[];
}

/** A tensor of the graph: one of the outputs of an application. */
export interface Value {
  source: Application;
  shape: tf.Shape;
}

/** The graph holds every application of a layer that the model's outputs depend on. */
export interface Graph {
  /** Each application comes after those that it takes its inputs from. */
  applications: Application[];
  outputs: Value[];
}

/** One application of a model or a layer, as TensorFlow.js records it. */
type Node = Layer["inboundNodes"][number];

/** A symbolic tensor, and the applications of the models that it lies in, outermost first. */
interface Place {
  tensor: tf.SymbolicTensor;
  within: readonly Node[];
}

/** The graph of all that the model's outputs are computed from. */
export function graphOf(model: tf.LayersModel): Graph {
  const known = new Map<string, Application>();
  const valueAt = (place: Place): Value => {
    const { tensor, within } = sourceOf(place);
    const node = tensor.sourceLayer.inboundNodes[tensor.nodeIndex]!;
    const key = [...within, node].map(({ id }) => id).join();
    let source = known.get(key);
    if (source === undefined) {
      const isInput = node.inputTensors.includes(tensor); // an InputLayer's node has one tensor on both sides
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

/** Goes from the output of a nested model to the tensor inside that it is, and from its input to what it was given. */
function sourceOf({ tensor, within }: Place): Place {
  const layer = tensor.sourceLayer;
  if (isModel(layer)) {
    const application = layer.inboundNodes[tensor.nodeIndex]!;
    return sourceOf({ tensor: layer.outputs[tensor.tensorIndex]!, within: [...within, application] });
  }
  const holder = within.at(-1);
  if (holder === undefined || !isModel(holder.outboundLayer)) return { tensor, within };
  const outerInput = holder.inputTensors[holder.outboundLayer.inputs.indexOf(tensor)];
  return outerInput === undefined ? { tensor, within } : sourceOf({ tensor: outerInput, within: within.slice(0, -1) });
}
