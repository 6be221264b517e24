/** The formats package: files that other programs read and write, such as safetensors, ONNX and TensorBoard's. */

export { elementCount } from "./element-count.ts";
export { type OnnxGraph, type OnnxNode, type OnnxProgram, programOf } from "./onnx/onnx-graph.ts";
export { readOnnx } from "./onnx/read-onnx.ts";
export { encodeOnnx, type OnnxFacts } from "./onnx/write-onnx.ts";
export type { Fields } from "./protobuf/write.ts";
export { writePth } from "./pth/pth.ts";
export { readPth } from "./pth/read-pth.ts";
export {
  type NamedTensor,
  readSafetensors,
  readSafetensorsMetadata,
  type SafetensorsFile,
  writeSafetensors,
} from "./safetensors/safetensors.ts";
export { type ScalarEvent, startEventFile } from "./tensorboard/event-file.ts";
export { type KernelAxes, toTfOrder, toTorchOrder } from "./tfjs/reverse-axes.ts";
export { type TfjsTopology, tfjsTopologySchema } from "./tfjs/topology.ts";
export { writeTfjsModel } from "./tfjs/write-tfjs-model.ts";
export type { Weights } from "./weights.ts";
