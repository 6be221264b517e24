export { ARITHMETIC_VERSION } from "./arithmetic.ts";
export { decodeFromCoordinator, decodeFromWorker, encode, expectAgreed } from "./codec.ts";
export { factsOf, fingerprintOf, type RunFacts } from "./fingerprint.ts";
export {
  chunkLength,
  chunkOffsets,
  elementsOf,
  type GradientForm,
  type Layout,
  makeLayout,
  type Plan,
  partElements,
  type TensorPlace,
  updateBytes,
} from "./layout.ts";
export {
  CHUNK_BYTES,
  DEFAULT_PORT,
  LINK_PROBES,
  MAX_CLASSES,
  MAX_HEARTBEAT_MS,
  MAX_LOSS_SUM,
  MAX_MESSAGE_BYTES,
  MAX_NAME_CHARACTERS,
  MAX_RECORD_REQUESTS,
  MAX_SLICES,
  PROTOCOL_VERSION,
  SILENT_BEATS,
  STATE_WINDOW,
} from "./limits.ts";
export {
  type Code,
  type CoordinatorMessage,
  type SliceAssignment,
  type TensorSpec,
  type WorkerMessage,
  workerName,
} from "./messages.ts";
export { type Links, planChunkBytes, planForms } from "./plan.ts";
export { type Piece, StepAssembly } from "./step-assembly.ts";
export {
  allFinite,
  BYTES_PER_ELEMENT,
  chunksOf,
  decodeFloats,
  decodeInto,
  encodeFloats,
  packingPays,
  rawFloats,
  roundToWire,
  type Wire,
} from "./wire.ts";
