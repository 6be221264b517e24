/** The limits that both ends of the protocol agree on. */

/** Raised whenever a message changes its meaning. */
export const PROTOCOL_VERSION = 6;

/** Where a coordinator listens, and a worker looks for it, unless told otherwise. */
export const DEFAULT_PORT = 7077;

/** Most bytes of a chunk: few enough for heartbeats to come between, enough to cost little. */
export const CHUNK_BYTES = 2 ** 20;

/** Probes after `welcome` that show how fast the link is: enough for a median of the times between them. */
export const LINK_PROBES = 8;

/** The largest message that is taken: a chunk and what surrounds it, or the topology of a model. */
export const MAX_MESSAGE_BYTES = 4 * 2 ** 20;

/** Most arrays and maps within one another in a message. */
export const MAX_MESSAGE_DEPTH = 32;

/** Most values in a message: they bound the work of unpacking. */
export const MAX_MESSAGE_VALUES = 2 ** 20 + 2 ** 16;
/** Most maps of a message, with their entries: they cost more than other values. */
export const MAX_MESSAGE_ENTRIES = 2 ** 16;

/** The largest sum of losses, since losses are float32: a larger one could not be added up. */
export const MAX_LOSS_SUM = 3.4028235e38;

/** Most slices of a step. */
export const MAX_SLICES = 2 ** 13;

/** Most classes of a model: a confusion matrix is one message. */
export const MAX_CLASSES = 1000;
/** Most samples of an evaluation whose predictions are sent. */
export const MAX_PREDICTIONS = 1024;

/** How many `heartbeatMs` either end may be silent before the other takes it for dead. */
export const MAX_SILENT_HEARTBEATS = 3;

/** The longest interval of heartbeats: a timer can wait for `MAX_SILENT_HEARTBEATS` of them. */
export const MAX_HEARTBEAT_MS = Math.floor((2 ** 31 - 1) / MAX_SILENT_HEARTBEATS);

/** Most characters of a worker's name, which stands in logs and metrics, line after line. */
export const MAX_NAME_CHARACTERS = 128;

/** Most pieces of a worker's state that may be under way at once: a slow link gets fewer. */
export const STATE_WINDOW = 32;

/** Most requests for records that may wait for their answers at once. */
export const MAX_RECORD_REQUESTS = 16;
