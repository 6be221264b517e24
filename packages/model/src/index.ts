/** The model package: models with TensorFlow.js, from loading them to exporting them. */
export { type AlexNetOptions, alexnet } from "./architectures/alexnet.ts";
export { type AlexNetCifar10Options, alexnetCifar10 } from "./architectures/alexnet-cifar10.ts";
export { assertTrainable, type TrainableOptions } from "./checks/assert-trainable.ts";
export { factorableKernels } from "./layers/factorable.ts";
export { layersOf } from "./layers/layers.ts";
export { type ModelSignature, signatureOf } from "./layers/signature.ts";
export {
  type LoadedModel,
  type LoadModelOptions,
  loadModel,
  type ModelContext,
  type ModelFactory,
} from "./load/load.ts";
export { isKnownModel } from "./load/model-file.ts";
export { onnxGraphOf } from "./onnx/onnx-graph.ts";
export { encodeOnnxModel } from "./onnx/onnx-model.ts";
export { runOnnx } from "./onnx/onnx-run.ts";
export { buildModel } from "./spec/build.ts";
export { describeModel, formatDescription, type LayerRow, type ModelDescription } from "./spec/describe.ts";
export { type LayerSpec, layerNames, type ModelSpec, modelSpecSchema, parseModelSpec } from "./spec/spec.ts";
export { stableTopology, topologyDigest } from "./tfjs/stable-topology.ts";
export { tfjsTopologyOf } from "./tfjs/tfjs-topology.ts";
export { fitStateDict, prefixLine } from "./weights/fit-state-dict.ts";
export { DEFAULT_INIT, type Init, type InitOptions, initialWeights } from "./weights/initial-weights.ts";
export { layersInOwnOrder } from "./weights/own-order.ts";
export { type OwnWeights, type OwnWeightsFacts, ownWeightsFacts, readOwnWeights } from "./weights/own-weights.ts";
export { fromStateDict, stateDictNames, toStateDict } from "./weights/state-dict.ts";
export type { StateDict, StateDictName, StateTensor } from "./weights/state-tensors.ts";
