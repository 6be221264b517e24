/** The model package: loads, checks, describes, initializes and exports models of TensorFlow.js. */
export { alexnet } from "./architectures/alexnet.ts";
export { alexnetCifar10 } from "./architectures/alexnet-cifar10.ts";
export { assertTrainable } from "./checks/assert-trainable.ts";
export { describeLayersModel } from "./layers/describe-layers-model.ts";
export { factorableKernels } from "./layers/factorable.ts";
export { layersOf } from "./layers/layers.ts";
export {
  type LoadedModel,
  loadModel,
  type ModelContext,
  type ModelFactory,
} from "./load/load.ts";
export { assertModelExists, isKnownModel } from "./load/model-file.ts";
export { onnxGraphOf } from "./onnx/onnx-graph.ts";
export { encodeOnnxModel } from "./onnx/onnx-model.ts";
export { runOnnx } from "./onnx/onnx-run.ts";
export { buildModel } from "./spec/build.ts";
export { describeModel, formatDescription } from "./spec/describe.ts";
export type { LayerSpec, ModelSpec } from "./spec/spec.ts";
export { stableTopology, topologyDigest } from "./tfjs/stable-topology.ts";
export { tfjsTopologyOf } from "./tfjs/tfjs-topology.ts";
export { fitStateDict, prefixLine } from "./weights/fit-state-dict.ts";
export { DEFAULT_INIT } from "./weights/init.ts";
export { initialWeights } from "./weights/initial-weights.ts";
export { type PresetWeights, presetWeightsFacts, readPresetWeights } from "./weights/preset-weights.ts";
export { fromStateDict, stateDictNames, toStateDict } from "./weights/state-dict.ts";
export type { StateDict, StateDictName } from "./weights/state-tensors.ts";
export { layersInTfOrder } from "./weights/tf-order.ts";
export { weightShape } from "./weights/weight-shape.ts";
