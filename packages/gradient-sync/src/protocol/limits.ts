/** Limits of the protocol that both ends share. */

/** Version of the protocol. It increases whenever the meaning of a message changes. */
export const PROTOCOL_VERSION = 7;

/** Default port of a coordinator. */
export const DEFAULT_PORT = 7077;

/** Maximum bytes of a chunk: small enough to let heartbeats through in between, large enough for a low overhead. */
export const CHUNK_BYTES = 2 ** 20;

/** Number of link probes after `welcome`: enough for a median of the times between them. */
export const LINK_PROBES = 8;

/** Maximum bytes of a message: enough for a chunk with its header, or for the topology of a model. */
export const MAX_MESSAGE_BYTES = 4 * 2 ** 20;

/** Maximum nesting depth of arrays and maps in a message. */
export const MAX_MESSAGE_DEPTH = 32;

/** Maximum number of values in a message, which bounds the cost of unpacking. */
export const MAX_MESSAGE_VALUES = 2 ** 20 + 2 ** 16;
/** Maximum number of maps and map entries in a message; they cost more than other values. */
export const MAX_MESSAGE_ENTRIES = 2 ** 16;

/** Maximum sum of losses: the largest float32, since losses are float32. */
export const MAX_LOSS_SUM = 3.4028235e38;

/** Maximum number of slices of a step. */
export const MAX_SLICES = 2 ** 13;

/** Maximum number of classes of a model, so that a confusion matrix fits into one message. */
export const MAX_CLASSES = 1000;
/** Maximum number of predictions in an evaluation. */
export const MAX_PREDICTIONS = 1024;

/** Number of heartbeat intervals for which a worker may be silent before the coordinator treats it as lost. */
export const MAX_SILENT_HEARTBEATS = 3;
/**
 * Number of heartbeat intervals for which the coordinator may be silent before a worker disconnects. It is larger,
 * since the coordinator has one thread, which may be busy.
 */
export const MAX_SILENT_COORDINATOR_HEARTBEATS = 10;

/** Maximum heartbeat interval, for which a timer can still wait for `MAX_SILENT_HEARTBEATS` intervals. */
export const MAX_HEARTBEAT_MS = Math.floor((2 ** 31 - 1) / MAX_SILENT_HEARTBEATS);

/** Maximum length of a worker's name, which appears on every line of logs and metrics. */
export const MAX_NAME_CHARACTERS = 128;

/** Maximum number of chunks of a worker's state in flight; a slow link gets fewer. */
export const STATE_WINDOW = 32;

/** Maximum number of pending requests for records. */
export const MAX_RECORD_REQUESTS = 16;
