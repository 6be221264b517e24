export { decodeFromCoordinator, decodeFromWorker, encode } from "./codec.ts";
export { DenseSum } from "./dense-sum.ts";
export { type GradientForm, type Layout, makeLayout, partElements, type TensorPlace } from "./layout.ts";
export { CHUNK_BYTES, DEFAULT_PORT, MAX_MESSAGE_BYTES, PROTOCOL_VERSION } from "./limits.ts";
export type { CoordinatorMessage, SliceAssignment, TensorSpec, WorkerMessage } from "./messages.ts";
export { PartAssembly } from "./parts.ts";
export { BYTES_PER_ELEMENT, chunksOf, decodeFloats, encodeFloats, type Wire } from "./wire.ts";
