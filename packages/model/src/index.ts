export { type AlexNetOptions, alexnet } from "./alexnet.ts";
export { type AlexNetCifar10Options, alexnetCifar10 } from "./alexnet-cifar10.ts";
export { buildModel } from "./build.ts";
export { checkTrainable, type TrainableOptions } from "./check-trainable.ts";
export { describeModel, formatDescription, type LayerRow, type ModelDescription } from "./describe.ts";
export { factorableKernels } from "./factorable.ts";
export { fitStateDict, prefixLine } from "./fit-state-dict.ts";
export { DEFAULT_INIT, type Init, type InitOptions, initialWeights } from "./initial-weights.ts";
export { layersOf } from "./layers.ts";
export { type LoadedModel, type LoadModelOptions, loadModel, type ModelContext, type ModelFactory } from "./load.ts";
export { isKnownModel } from "./model-file.ts";
export { encodeOnnx } from "./onnx-file.ts";
export { onnxGraphOf } from "./onnx-graph.ts";
export { type OnnxProgram, programOf, readOnnx } from "./onnx-read.ts";
export { runOnnx } from "./onnx-run.ts";
export { layersInOwnOrder } from "./own-order.ts";
export { type OwnWeights, type OwnWeightsFacts, ownWeightsFacts, readOwnWeights } from "./own-weights.ts";
export { type ModelSignature, signatureOf } from "./signature.ts";
export { type LayerSpec, layerNames, type ModelSpec, modelSpecSchema, parseModelSpec } from "./spec.ts";
export { stableTopology, topologyDigest } from "./stable-topology.ts";
export {
  fromStateDict,
  type StateDict,
  type StateDictName,
  type StateTensor,
  stateDictNames,
  toStateDict,
} from "./state-dict.ts";
export { tfjsTopologyOf } from "./tfjs-topology.ts";
