/** The gradient-sync package: the protocol, the layout of gradients in messages, and both ends of the reduction. */

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
} from "./layout/layout.ts";
export { type Links, planChunkBytes, planForms } from "./layout/plan.ts";
export {
  allFinite,
  BYTES_PER_ELEMENT,
  chunksOf,
  decodeInto,
  encodeFloats,
  packingPays,
  rawFloats,
  roundToWire,
  type Wire,
} from "./layout/wire.ts";
export { ARITHMETIC_VERSION } from "./protocol/arithmetic.ts";
export { assertValidReady, decodeFromCoordinator, decodeFromWorker, encode } from "./protocol/codec.ts";
export { type FingerprintFacts, factsOf, fingerprintOf } from "./protocol/fingerprint.ts";
export { type Step, type SubtreeId, toStep, toSubtreeId, toWorkerId, type WorkerId } from "./protocol/ids.ts";
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
  MAX_SILENT_COORDINATOR_HEARTBEATS,
  MAX_SILENT_HEARTBEATS,
  MAX_SLICES,
  PROTOCOL_VERSION,
  STATE_WINDOW,
} from "./protocol/limits.ts";
export {
  type AttemptId,
  type Code,
  type CoordinatorMessage,
  type MessageOf,
  type TensorSpec,
  type WorkerMessage,
  workerName,
} from "./protocol/messages.ts";
export { assignedSubtrees, slicesIn } from "./reduction/assigned-subtrees.ts";
export { BufferPool } from "./reduction/buffer-pool.ts";
export type { Outgoing, RoundTask } from "./reduction/outgoing.ts";
export { type Piece, StepAssembly } from "./reduction/step-assembly.ts";
export { StepRound } from "./reduction/step-round.ts";
export type { SubtreeAttempts, SubtreeRange } from "./reduction/subtree-attempts.ts";
export { type Subtree, subtreesOf, TreeSum, treeSum } from "./reduction/tree-sum.ts";
