export { type Field, fieldsOf } from "./protobuf/read.ts";
export { byteLength, double, type Fields, float, int, message, text } from "./protobuf/write.ts";
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
export type { Weights } from "./weights.ts";
