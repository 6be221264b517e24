/** What both ends must agree on, and how far either lets the other go. */

/** Raised whenever a message changes its meaning. */
export const PROTOCOL_VERSION = 6;

/** Where a coordinator listens, and a worker looks for it, unless told otherwise. */
export const DEFAULT_PORT = 7077;

/** Payload of a chunk, at the most: small enough for heartbeats to come between, large enough to cost little. */
export const CHUNK_BYTES = 2 ** 20;

/** Messages of `welcome` that show how fast the link is: enough for a median of the times between them. */
export const LINK_PROBES = 8;

/** The largest message that is taken: a chunk and what surrounds it, or the topology of a model. */
export const MAX_MESSAGE_BYTES = 4 * 2 ** 20;

/** Arrays and maps within one another in a message. */
export const MAX_MESSAGE_DEPTH = 32;

/** Values in a message; and maps with their entries, which cost most. They bound the time and memory of unpacking. */
export const MAX_MESSAGE_VALUES = 2 ** 20 + 2 ** 16;
export const MAX_MESSAGE_ENTRIES = 2 ** 16;

/** Losses are sums in float32: what is larger is none, and could not be added up. */
export const MAX_LOSS_SUM = 3.4028235e38;

/** Slices of a step. */
export const MAX_SLICES = 2 ** 13;

/** Classes of a model: a confusion matrix is one message. */
export const MAX_CLASSES = 1000;
/** Samples of an evaluation whose predictions are told. */
export const MAX_PREDICTIONS = 1024;

/** How many `heartbeatMs` either end may be silent before the other takes it for dead. */
export const SILENT_BEATS = 3;

/** `SILENT_BEATS` of them are what a timer can wait. */
export const MAX_HEARTBEAT_MS = Math.floor((2 ** 31 - 1) / SILENT_BEATS);

/** Characters of a worker's name, which stands in logs and metrics, line after line. */
export const MAX_NAME_CHARACTERS = 128;

/** Pieces of a worker's state that may be under way at once, at the most: a slow link gets fewer. */
export const STATE_WINDOW = 32;

/** Requests for records that may wait for their answers at once. */
export const MAX_RECORD_REQUESTS = 16;
