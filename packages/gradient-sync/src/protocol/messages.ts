/**
 * The messages between a coordinator and its workers: one union for each direction. The comment of a message is the
 * sentence that its sender would say. `docs/protocol.md` tells the same as a story.
 */
import { isErrorCode } from "@lockstep/errors";
import { z } from "zod";
import { sliceIdSchema, stepSchema, workerIdSchema } from "./ids.ts";
import { MAX_CLASSES, MAX_HEARTBEAT_MS, MAX_NAME_CHARACTERS, MAX_PREDICTIONS, MAX_SLICES } from "./limits.ts";

const count = z.int().nonnegative();
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
/** Checks many counts: one complaint at the most, however many are wrong. */
const counts = (most: number) =>
  z.custom<number[]>(
    (value) => Array.isArray(value) && value.length <= most && value.every(isCount),
    `expected at most ${most} counts`,
  );
/** Checks the code of an error; one that only another version knows becomes ERR_UNKNOWN. */
const code = z
  .string()
  .regex(/^ERR_[A-Z0-9_]{1,60}$/)
  .transform((value) => (isErrorCode(value) ? value : "ERR_UNKNOWN"));
/** Checks a text for people, which loses the characters that could rewrite a terminal, or turn its lines round. */
const text = z
  .string()
  .max(4096)
  .transform((value) => value.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " "));
/** Checks a name that stands in logs and metrics, line after line. */
const name = text.refine(
  (value) => value.length <= MAX_NAME_CHARACTERS,
  `expected at most ${MAX_NAME_CHARACTERS} characters`,
);
/** Returns a worker's name as a coordinator takes it, or undefined for one that is empty or too long. */
export function workerName(value: string): string | undefined {
  const parsed = name.safeParse(value);
  return parsed.success && parsed.data.trim() !== "" ? parsed.data : undefined;
}
/** Checks a name that becomes a file's, too, and so must be no path. */
const fileName = name.refine((value) => !/[/\\:]/.test(value), "expected a name without / \\ and :");
/**
 * Checks bytes of numbers (see wire.ts). Off the wire they come as a Buffer, whose `slice` does not copy; from here on
 * they are a plain array, a view of the message.
 */
const floats = z
  .instanceof(Uint8Array)
  .transform((bytes) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
/**
 * Checks the time of each part of the work. The names go into files and charts, so they are not for a worker to choose.
 */
const milliseconds = <Part extends string>(...parts: Part[]) =>
  z.partialRecord(z.enum(parts), z.number().nonnegative());
/** Checks the sum of a loss, which is not finite if the training has come apart. */
const sum = z.union([z.number(), z.nan(), z.literal(Number.POSITIVE_INFINITY), z.literal(Number.NEGATIVE_INFINITY)]);

/** A tensor of the model, in TensorFlow.js' layout. */
export const tensorSpecSchema = z.strictObject({
  name: text,
  shape: z.array(count).max(8),
  dtype: z.literal("float32"),
});
/** A tensor that has passed the check. */
export type TensorSpec = z.infer<typeof tensorSpecSchema>;

/**
 * The code that a worker computes with. Two workers whose code differs compute different numbers from the same data.
 */
export const codeSchema = z.strictObject({
  /** Version of Lockstep. */
  version: text,
  /** `ARITHMETIC_VERSION` of arithmetic.ts. */
  arithmetic: count,
  /** Digest of random numbers that this code draws for a fixed seed. */
  draws: text,
});
/** A worker's code that has passed the check. */
export type Code = z.infer<typeof codeSchema>;

/**
 * Checks a slice: samples [start, end) of the epoch's order. Each try to compute a slice is an attempt, counted from 0.
 */
const sliceSchema = z.strictObject({ slice: sliceIdSchema, attempt: count, start: count, end: count });
/** A slice that is assigned to a worker, and the number of the attempt. */
export type SliceAssignment = z.infer<typeof sliceSchema>;

/** A piece of a contribution, or of an update: see layout.ts for parts and offsets, wire.ts for packing. */
const pieceFields = {
  step: stepSchema,
  slice: sliceIdSchema,
  attempt: count,
  part: count,
  offset: count,
  packed: z.boolean(),
  data: floats,
};
/** A piece of the weights or the momentum, of tensor number `tensor` under PyTorch's layout; the offset in elements. */
const stateFields = { tensor: count, kind: z.enum(["weight", "velocity"]), offset: count, data: floats };

// Worker → coordinator

/** "Here I am, and this is what I compute on." The first message; answered by `welcome` or `refused`. */
const hello = z.strictObject({
  type: z.literal("hello"),
  protocol: count,
  name: name.refine((value) => value.trim() !== "", "expected a name that is not empty"),
  /** A CPU's name; of a GPU also its driver and memory. */
  device: text,
  backend: text,
  libraryVersion: text,
  /** Name and driver; absent on a CPU. */
  gpu: text.optional(),
  instructionSet: text,
  threads: count,
  /** What this worker still holds of a run that it was in: weights and momentum after `step` updates. */
  holds: z.strictObject({ run: text, step: count }).optional(),
});

/** "This is the time on my clock." Sent at once when `welcome` comes, so that times can be compared. */
const clock = z.strictObject({ type: z.literal("clock"), nowMs: z.number() });

/** "I have built the model and opened the data; this is what they look like." Answered by `start` or `refused`. */
const ready = z.strictObject({
  type: z.literal("ready"),
  /** Digest of all that must be equal on all workers: see fingerprint.ts. */
  fingerprint: text,
  code: codeSchema,
  modelName: fileName,
  tensors: z.array(tensorSpecSchema).max(4096),
  /** The same tensors under PyTorch's names, in the order of `tensors`. */
  stateDict: z.array(z.strictObject({ name: text, shape: z.array(count).max(8) })).max(4096),
  /** Whether the gradient of each tensor can be had as factors. */
  factorable: z.array(z.boolean()).max(4096),
  inputShape: z.tuple([count, count, count]),
  numClasses: count.max(MAX_CLASSES),
  classes: z.array(text).max(MAX_CLASSES),
  mean: z.array(z.number()).max(64),
  std: z.array(z.number()).max(64),
  trainSamples: count,
  validationSamples: count,
  testSamples: count,
  /** Weights that the model brings along: how many its module loaded or set, and a digest of those that are taken. */
  ownWeights: z.strictObject({ written: count, digest: text }).optional(),
  /** What the module gave to compile(), in words: the coordinator tells the user that it is not used. */
  compiled: text.optional(),
  /** What model.json of TensorFlow.js will say, as JSON; the first worker's is kept, and those of others must agree. */
  topology: z.string().max(3_000_000),
  /** Measured since `welcome`: bytes a second on the way here, and operations a second of a matrix product. */
  linkBytesPerSecond: z.number().positive(),
  gemmFlopsPerSecond: z.number().positive(),
});

/** "I lack these records of the data set, and need them soon." Answered by `records`. */
const wantRecords = z.strictObject({
  type: z.literal("want-records"),
  request: count,
  part: z.enum(["train", "test"]),
  indexes: counts(1024).refine((indexes) => indexes.every((index) => index < 2 ** 32)),
});

/** "A piece of my gradients for this slice." Sent while the backward pass is still under way. */
const gradientChunk = z.strictObject({ type: z.literal("gradient-chunk"), ...pieceFields });

/** "That was all of my contribution for this slice." Its sums count when the coordinator commits the step. */
const contribution = z.strictObject({
  type: z.literal("contribution"),
  step: stepSchema,
  slice: sliceIdSchema,
  attempt: count,
  samples: count,
  lossSum: sum,
  correct: count,
  /** Where the computing thread's time went since its last contribution, without waiting. */
  ms: milliseconds("data", "forward", "backward", "read-back", "apply"),
  /** What the socket's thread did meanwhile: encode, send, receive. */
  io: milliseconds("encode", "send", "receive"),
  /** When it was computed, by this worker's clock. */
  doneMs: z.number(),
});

/** "These are the sums over the samples that you asked me to evaluate." */
const evaluation = z.strictObject({
  type: z.literal("evaluation"),
  request: count,
  samples: count,
  lossSum: sum,
  confusion: z.array(counts(MAX_CLASSES)).max(MAX_CLASSES),
  /** What each of them was taken for; of the test set only, where someone will look at them. */
  predictions: counts(MAX_PREDICTIONS).optional(),
});

/** "A piece of my state." At most `window` of them are under way before they are acknowledged with `state-ack`. */
const stateChunk = z.strictObject({ type: z.literal("state-chunk"), request: count, ...stateFields });

/** "That was all of my state, as it was after `step` updates." */
const stateEnd = z.strictObject({ type: z.literal("state-end"), request: count, step: count });

/** "I have taken in the state that you sent. What I held before differed from it by this at the most." */
const loaded = z.strictObject({ type: z.literal("loaded"), largestDifference: sum });

/** "I have done all that you told me before you asked." Answers `sync`. */
const synced = z.strictObject({ type: z.literal("synced") });

/** "This is the digest of my weights and momentum." Answers `digest`. */
const digestResult = z.strictObject({ type: z.literal("digest-result"), step: count, digest: text });

/** "I was asked to leave: give me no more slices." Answered by `finished`, once its slices are done. */
const leaving = z.strictObject({ type: z.literal("leaving") });

/** "I am alive." Sent whenever the coordinator's interval has passed, even while a step computes. */
const heartbeat = z.strictObject({ type: z.literal("heartbeat") });

/** "I cannot go on, for this reason." Then it closes. */
const failed = z.strictObject({ type: z.literal("failed"), code, reason: text });

/** Checks a message of a worker. */
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
/** What a worker says. */
export type WorkerMessage = z.infer<typeof workerMessageSchema>;

// Coordinator → worker

/** "You are in. This is the run." Followed by `link-probe`s, answered by `ready`. */
const welcome = z.strictObject({
  type: z.literal("welcome"),
  workerId: workerIdSchema,
  heartbeatMs: z.int().positive().max(MAX_HEARTBEAT_MS),
  /** Names the run, through restarts of the coordinator. */
  run: text,
  /** Every option of the run, as in its config.json. */
  config: z.record(z.string(), z.unknown()),
  /** The model, if it is made of data and the user's own. */
  spec: z.unknown().optional(),
  /** The model is made by code, which is never sent: the worker must have been given it. */
  codeModel: z.boolean(),
  /** What there is of the data set's records, for a worker without files. */
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

/** "So many bytes, to see how fast they come." `LINK_PROBES` of them follow `welcome`. */
const linkProbe = z.strictObject({ type: z.literal("link-probe"), data: floats });

/** "These are the records that you asked for, in that order." */
const records = z.strictObject({ type: z.literal("records"), request: count, data: floats, crc32: count });

/** "I can't take you, for this reason." Then it closes. */
const refused = z.strictObject({ type: z.literal("refused"), code, reason: text });

/** "You take part. This is how gradients travel, and where your weights come from." */
const start = z.strictObject({
  type: z.literal("start"),
  forms: z.array(z.enum(["dense", "factored"])).max(4096),
  wire: z.enum(["fp32", "bf16"]),
  chunkBytes: z.int().positive(),
  /** The seed; `load-chunk`s that follow; or what the worker holds already. */
  state: z.enum(["seed", "follows", "held"]),
});

/** "A piece of the state to go on from." */
const loadChunk = z.strictObject({ type: z.literal("load-chunk"), ...stateFields });

/** "That was all of the state, as it is after `step` updates." Answered by `loaded`. */
const loadEnd = z.strictObject({ type: z.literal("load-end"), step: count });

/** "Tell me when you have done all that I told you before this." Answered by `synced`. */
const sync = z.strictObject({ type: z.literal("sync") });

/**
 * "This is the step; these of its slices are yours." Answered by chunks and a `contribution` for each slice. Everyone
 * gets one for each step, with slices or without; a second one of the same step brings slices that others have lost.
 */
const assign = z.strictObject({
  type: z.literal("assign"),
  step: stepSchema,
  epoch: count,
  /** The global batch: samples [start, end) of the epoch's order. */
  start: count,
  end: count,
  learningRate: z.number(),
  /** The receiver's slices. */
  slices: z.array(sliceSchema).max(MAX_SLICES),
  /** Samples of every slice of the step, in slice order. */
  sliceSamples: counts(MAX_SLICES),
});

/** "A piece of the sum over all slices" (part 0), or of another worker's factors for `slice`. */
const updateChunk = z.strictObject({ type: z.literal("update-chunk"), ...pieceFields });

/**
 * "Forget what came of this attempt, and the sums at the offsets `again`: they held it. Whoever has sent these pieces
 * of its dense part sends them again."
 */
const withdrawn = z.strictObject({
  type: z.literal("withdrawn"),
  step: stepSchema,
  slice: sliceIdSchema,
  attempt: count,
  again: counts(1_000_000),
});

/** "I don't take your contribution, for this reason; another worker computes the slice." */
const rejected = z.strictObject({
  type: z.literal("rejected"),
  step: stepSchema,
  slice: sliceIdSchema,
  attempt: count,
  code,
  reason: text,
});

/** "The step holds, with these attempts at its slices: apply it." All its pieces were sent before. */
const commit = z.strictObject({
  type: z.literal("commit"),
  step: stepSchema,
  attempts: counts(MAX_SLICES),
  samples: count,
  lossSum: z.number(),
  correct: count,
});

/** "Evaluate the samples [start, end) of this part." Answered by `evaluation`. */
const evaluate = z.strictObject({
  type: z.literal("evaluate"),
  request: count,
  part: z.enum(["validation", "test"]),
  start: count,
  end: count,
});

/** "Send me your state, as it is now, beside your work." Answered by `state-chunk`s and `state-end`. */
const sendState = z.strictObject({ type: z.literal("send-state"), request: count, window: z.int().positive() });

/** "I have room for another piece of your state." */
const stateAck = z.strictObject({ type: z.literal("state-ack"), request: count });

/** "Send me a digest of your state, as it is now." Answered by `digest-result`. */
const digest = z.strictObject({ type: z.literal("digest") });

/** "I am alive." */
const alive = z.strictObject({ type: z.literal("alive") });

/** "The run is over, or you may leave." The worker leaves with exit status 0. */
const finished = z.strictObject({ type: z.literal("finished") });

/** Checks a message of a coordinator. */
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
/** What a coordinator says. */
export type CoordinatorMessage = z.infer<typeof coordinatorMessageSchema>;

/** The message of one type, whoever says it. */
export type MessageOf<Type extends (WorkerMessage | CoordinatorMessage)["type"]> = Extract<
  WorkerMessage | CoordinatorMessage,
  { type: Type }
>;
