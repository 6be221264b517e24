/**
 * The messages between a coordinator and its workers: one union per direction. `docs/protocol.md` describes their
 * order.
 */
import { isErrorCode } from "@lockstep/errors";
import { z } from "zod";
import { stepSchema, subtreeIdSchema, workerIdSchema } from "./ids.ts";
import { MAX_CLASSES, MAX_HEARTBEAT_MS, MAX_NAME_CHARACTERS, MAX_PREDICTIONS, MAX_SLICES } from "./limits.ts";

const count = z.int().nonnegative();
const isCount = (value: unknown) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
/** Checks an array of counts, and reports at most one issue, so that a large invalid array stays cheap. */
const counts = (most: number) =>
  z.custom<number[]>(
    (value) => Array.isArray(value) && value.length <= most && value.every(isCount),
    `expected at most ${most} counts`,
  );
/** Checks an error code. A code that only another version defines becomes ERR_UNKNOWN. */
const code = z
  .string()
  .regex(/^ERR_[A-Z0-9_]{1,60}$/)
  .transform((value) => (isErrorCode(value) ? value : "ERR_UNKNOWN"));
/** Checks human-readable text, and replaces characters that control a terminal or its text direction by spaces. */
const text = z
  .string()
  .max(4096)
  .transform((value) => value.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " "));
/** Checks a name that appears on every line of logs and metrics. */
const name = text.refine(
  (value) => value.length <= MAX_NAME_CHARACTERS,
  `expected at most ${MAX_NAME_CHARACTERS} characters`,
);
/** Returns a worker's name as a coordinator accepts it, or undefined if it is empty or too long. */
export function workerName(value: string): string | undefined {
  const parsed = name.safeParse(value);
  return parsed.success && parsed.data.trim() !== "" ? parsed.data : undefined;
}
/** Checks a name that also becomes a file name, so it must not be a path. */
const fileName = name.refine((value) => !/[/\\:]/.test(value), "expected a name without / \\ and :");
/**
 * Checks encoded numbers (see wire.ts). They arrive as a Buffer, whose `slice` does not copy, and become a plain
 * Uint8Array, which is still a view of the message.
 */
const floats = z
  .instanceof(Uint8Array)
  .transform((bytes) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
/**
 * Checks the milliseconds spent on each part of the work. The names are fixed, because they go into files and charts.
 */
const milliseconds = <Part extends string>(...parts: Part[]) =>
  z.partialRecord(z.enum(parts), z.number().nonnegative());
/** Checks a sum of losses, which is not finite if training has diverged. */
const sum = z.union([z.number(), z.nan(), z.literal(Number.POSITIVE_INFINITY), z.literal(Number.NEGATIVE_INFINITY)]);

/** Checks a tensor of the model, in the layout of TensorFlow.js. */
const tensorSpecSchema = z.strictObject({
  name: text,
  shape: z.array(count).max(8),
  dtype: z.literal("float32"),
});
/** The name, shape and type of a tensor of the model. */
export type TensorSpec = z.infer<typeof tensorSpecSchema>;

/**
 * Checks the version of a worker's code. Workers with different code compute different numbers from the same data.
 */
const codeSchema = z.strictObject({
  /** Version of Lockstep. */
  version: text,
  /** `ARITHMETIC_VERSION` of arithmetic.ts. */
  arithmetic: count,
  /** Digest of the random numbers that this code draws for a fixed seed. */
  draws: text,
});
/** The version of a worker's code, and of its arithmetic. */
export type Code = z.infer<typeof codeSchema>;

/** Checks an attempt at a subtree; attempts count from 0. */
const attemptSchema = z.strictObject({ subtree: subtreeIdSchema, attempt: count });
/** Identifies an attempt at a subtree of a step. */
export type AttemptId = z.infer<typeof attemptSchema>;

/** A chunk of a contribution or an update; see layout.ts for parts and offsets, wire.ts for packing. */
const pieceFields = {
  step: stepSchema,
  subtree: subtreeIdSchema,
  attempt: count,
  part: count,
  offset: count,
  packed: z.boolean(),
  data: floats,
};
/** A chunk of the weights or momentum of tensor number `tensor`, in PyTorch's layout; the offset counts elements. */
const stateFields = { tensor: count, kind: z.enum(["weight", "velocity"]), offset: count, data: floats };

// Worker → coordinator

/** Introduces the worker and its device. The first message; the response is `welcome` or `refused`. */
const hello = z.strictObject({
  type: z.literal("hello"),
  protocol: count,
  name: name.refine((value) => value.trim() !== "", "expected a name that is not empty"),
  /** Name of the CPU or GPU; for a GPU also its driver and memory. */
  device: text,
  backend: text,
  libraryVersion: text,
  /** Name and driver; absent on a CPU. */
  gpu: text.optional(),
  instructionSet: text,
  threads: count,
  /**
   * Weights and momentum that the worker still holds from an earlier connection: the run, and its number of updates.
   */
  holds: z.strictObject({ run: text, step: count }).optional(),
});

/** Reports the worker's clock, immediately after `welcome`, so that the coordinator can compare times. */
const clock = z.strictObject({ type: z.literal("clock"), nowMs: z.number() });

/**
 * Describes the model that the worker has built and the data that it has opened. The response is `start` or `refused`.
 */
const ready = z.strictObject({
  type: z.literal("ready"),
  /** Digest of everything that must be equal on all workers; see fingerprint.ts. */
  fingerprint: text,
  code: codeSchema,
  modelName: fileName,
  tensors: z.array(tensorSpecSchema).max(4096),
  /** The same tensors by PyTorch's names, in the order of `tensors`. */
  stateDict: z.array(z.strictObject({ name: text, shape: z.array(count).max(8) })).max(4096),
  /** For each tensor, whether its gradient can be factored. */
  factorable: z.array(z.boolean()).max(4096),
  inputShape: z.tuple([count, count, count]),
  numClasses: count.max(MAX_CLASSES),
  classes: z.array(text).max(MAX_CLASSES),
  mean: z.array(z.number()).max(64),
  std: z.array(z.number()).max(64),
  trainSamples: count,
  validationSamples: count,
  testSamples: count,
  /** The number of weights that the model's module loaded or set, and a digest of the weights that are used. */
  ownWeights: z.strictObject({ written: count, digest: text }).optional(),
  /** Describes the module's arguments to compile(). The coordinator reports to the user that they are ignored. */
  compiled: text.optional(),
  /**
   * The model topology for TensorFlow.js' model.json, as JSON. The first worker's is used; the others must match it.
   */
  topology: z.string().max(3_000_000),
  /** Bytes per second from the coordinator, and operations per second of a matrix product, measured since `welcome`. */
  linkBytesPerSecond: z.number().positive(),
  gemmFlopsPerSecond: z.number().positive(),
});

/** Requests records of the data set. The response is `records`. */
const wantRecords = z.strictObject({
  type: z.literal("want-records"),
  request: count,
  part: z.enum(["train", "test"]),
  indexes: counts(1024).refine((indexes) => indexes.every((index) => index < 2 ** 32)),
});

/** Sends a chunk of the worker's gradients for a subtree, while the backward pass is still running. */
const gradientChunk = z.strictObject({ type: z.literal("gradient-chunk"), ...pieceFields });

/** Ends the worker's contribution for a subtree. Its sums count once the coordinator commits the step. */
const contribution = z.strictObject({
  type: z.literal("contribution"),
  step: stepSchema,
  subtree: subtreeIdSchema,
  attempt: count,
  samples: count,
  lossSum: sum,
  correct: count,
  /** Milliseconds that the compute thread has spent since its last contribution, without waiting. */
  ms: milliseconds("data", "forward", "backward", "read-back", "apply"),
  /** Milliseconds that the socket thread has spent meanwhile. */
  io: milliseconds("encode", "send", "receive"),
  /** Time at which the contribution was computed, by the worker's clock. */
  doneMs: z.number(),
});

/** Returns the sums over the samples of an `evaluate` request. */
const evaluation = z.strictObject({
  type: z.literal("evaluation"),
  request: count,
  samples: count,
  lossSum: sum,
  confusion: z.array(counts(MAX_CLASSES)).max(MAX_CLASSES),
  /** Predicted class of each sample; only for the test set, and only if requested for display. */
  predictions: counts(MAX_PREDICTIONS).optional(),
});

/** Sends a chunk of the worker's state. At most `window` chunks are in flight; `state-ack` acknowledges each. */
const stateChunk = z.strictObject({ type: z.literal("state-chunk"), request: count, ...stateFields });

/** Ends the worker's state, which is that after `step` updates. */
const stateEnd = z.strictObject({ type: z.literal("state-end"), request: count, step: count });

/** Confirms that the state is loaded. Reports the largest difference from the state that the worker held before. */
const loaded = z.strictObject({ type: z.literal("loaded"), largestDifference: sum });

/** Confirms that the worker has handled all messages before `sync`. */
const synced = z.strictObject({ type: z.literal("synced") });

/** Returns the digest of the worker's weights and momentum, in response to `digest`. */
const digestResult = z.strictObject({ type: z.literal("digest-result"), step: count, digest: text });

/**
 * Announces that the worker is about to leave and takes no more slices. The response is `finished`, once its slices are
 * done.
 */
const leaving = z.strictObject({ type: z.literal("leaving") });

/** Signals that the worker is alive, at the coordinator's interval, even during a step. */
const heartbeat = z.strictObject({ type: z.literal("heartbeat") });

/** Reports an error after which the worker cannot continue. It then closes the connection. */
const failed = z.strictObject({ type: z.literal("failed"), code, reason: text });

/** Checks a message from a worker. */
export const workerMessageSchema = z.discriminatedUnion("type", [
  hello,
  clock,
  ready,
  wantRecords,
  gradientChunk,
  contribution,
  evaluation,
  stateChunk,
  stateEnd,
  loaded,
  synced,
  digestResult,
  leaving,
  heartbeat,
  failed,
]);
/** A message from a worker. */
export type WorkerMessage = z.infer<typeof workerMessageSchema>;

// Coordinator → worker

/** Accepts the worker and describes the run. `link-probe` messages follow; the response is `ready`. */
const welcome = z.strictObject({
  type: z.literal("welcome"),
  workerId: workerIdSchema,
  heartbeatMs: z.int().positive().max(MAX_HEARTBEAT_MS),
  /** Identifies the run, also across restarts of the coordinator. */
  run: text,
  /** All options of the run, as in its config.json. */
  config: z.record(z.string(), z.unknown()),
  /** The model spec, if the model is a custom one that is defined by data. */
  spec: z.unknown().optional(),
  /** Whether the model is defined by code. Code is never sent, so the worker needs its own copy. */
  codeModel: z.boolean(),
  /** The data set whose records the coordinator serves to workers without files. */
  supplied: z
    .strictObject({
      dataset: z.enum(["cifar10", "shapes"]),
      digest: text,
      trainSamples: count,
      testSamples: count,
      mean: z.array(z.number()).max(64),
      std: z.array(z.number()).max(64),
    })
    .optional(),
});

/** Carries bytes that measure the speed of the link. `LINK_PROBES` of them follow `welcome`. */
const linkProbe = z.strictObject({ type: z.literal("link-probe"), data: floats });

/** Returns the requested records, in the order of the request. */
const records = z.strictObject({ type: z.literal("records"), request: count, data: floats, crc32: count });

/** Refuses the worker. The coordinator then closes the connection. */
const refused = z.strictObject({ type: z.literal("refused"), code, reason: text });

/** Admits the worker to the run, with the plan for its gradients and the source of its weights. */
const start = z.strictObject({
  type: z.literal("start"),
  forms: z.array(z.enum(["dense", "factored"])).max(4096),
  wire: z.enum(["fp32", "bf16"]),
  chunkBytes: z.int().positive(),
  /**
   * Source of the weights: the seed, the `load-chunk` messages that follow, or the state that the worker already holds.
   */
  state: z.enum(["seed", "follows", "held"]),
});

/** Sends a chunk of the state that the worker is to load. */
const loadChunk = z.strictObject({ type: z.literal("load-chunk"), ...stateFields });

/** Ends the state, which is that after `step` updates. The response is `loaded`. */
const loadEnd = z.strictObject({ type: z.literal("load-end"), step: count });

/** Asks the worker to confirm that it has handled all earlier messages. The response is `synced`. */
const sync = z.strictObject({ type: z.literal("sync") });

/**
 * Starts a step and assigns subtrees of its slices. The response is chunks and a `contribution` for each subtree. Every
 * worker gets one per step, even without attempts. Another one for the same step reassigns subtrees of other workers.
 */
const assign = z.strictObject({
  type: z.literal("assign"),
  step: stepSchema,
  epoch: count,
  /** The global batch: samples [start, end) of the epoch's order. */
  start: count,
  end: count,
  learningRate: z.number(),
  /** The attempts that the receiving worker makes. */
  attempts: z.array(attemptSchema).max(MAX_SLICES),
  /** Number of samples of every slice of the step, in slice order. */
  sliceSamples: counts(MAX_SLICES),
  /** Number of slices of every subtree of the step, in slice order. */
  subtreeSlices: counts(MAX_SLICES),
});

/** Sends a chunk of the sum over all slices (part 0), or of another worker's factors for `subtree`. */
const updateChunk = z.strictObject({ type: z.literal("update-chunk"), ...pieceFields });

/**
 * Withdraws an attempt: workers discard its chunks, and the sums at the offsets `again`, which included it. Workers
 * send the chunks of their own dense parts at these offsets again.
 */
const withdrawn = z.strictObject({
  type: z.literal("withdrawn"),
  step: stepSchema,
  subtree: subtreeIdSchema,
  attempt: count,
  again: counts(1_000_000),
});

/** Rejects the worker's contribution; another worker computes the subtree. */
const rejected = z.strictObject({
  type: z.literal("rejected"),
  step: stepSchema,
  subtree: subtreeIdSchema,
  attempt: count,
  code,
  reason: text,
});

/**
 * Commits the step with one attempt per subtree: the worker applies the update, whose chunks it has received before.
 */
const commit = z.strictObject({
  type: z.literal("commit"),
  step: stepSchema,
  attempts: counts(MAX_SLICES),
  samples: count,
  lossSum: z.number(),
  correct: count,
});

/** Requests an evaluation of the samples [start, end) of a split. The response is `evaluation`. */
const evaluate = z.strictObject({
  type: z.literal("evaluate"),
  request: count,
  part: z.enum(["validation", "test"]),
  start: count,
  end: count,
});

/** Requests the worker's current state, in the background. The response is `state-chunk` messages and `state-end`. */
const sendState = z.strictObject({ type: z.literal("send-state"), request: count, window: z.int().positive() });

/** Acknowledges a `state-chunk`: the worker may send another one. */
const stateAck = z.strictObject({ type: z.literal("state-ack"), request: count });

/** Requests a digest of the worker's current state. The response is `digest-result`. */
const digest = z.strictObject({ type: z.literal("digest") });

/** Signals that the coordinator is alive. */
const alive = z.strictObject({ type: z.literal("alive") });

/** Ends the worker, which exits with status 0: the run has finished, or the worker asked to leave. */
const finished = z.strictObject({ type: z.literal("finished") });

/** Checks a message from a coordinator. */
export const coordinatorMessageSchema = z.discriminatedUnion("type", [
  welcome,
  linkProbe,
  records,
  refused,
  start,
  loadChunk,
  loadEnd,
  sync,
  assign,
  updateChunk,
  withdrawn,
  rejected,
  commit,
  evaluate,
  sendState,
  stateAck,
  digest,
  alive,
  finished,
]);
/** A message from a coordinator. */
export type CoordinatorMessage = z.infer<typeof coordinatorMessageSchema>;

/** The message with the given type, in either direction. */
export type MessageOf<Type extends (WorkerMessage | CoordinatorMessage)["type"]> = Extract<
  WorkerMessage | CoordinatorMessage,
  { type: Type }
>;
