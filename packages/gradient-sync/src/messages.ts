/**
 * The messages between a coordinator and its workers: one union for each direction. The comment of a message is the
 * sentence that its sender would say. `docs/protocol.md` tells the same as a story.
 */
import { z } from "zod";

const count = z.int().nonnegative();
const text = z.string().max(4096);
/**
 * Little-endian float32, or bf16 if the run's wire says so. Off the wire it comes as a Buffer, whose `slice` does not
 * copy; from here on it is a plain array, a view of the message.
 */
const floats = z
  .instanceof(Uint8Array)
  .transform((bytes) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
const milliseconds = z.record(z.string(), z.number());

/** A tensor of the model, in TensorFlow.js' layout. */
export const tensorSpecSchema = z.strictObject({ name: text, shape: z.array(count).max(8) });
export type TensorSpec = z.infer<typeof tensorSpecSchema>;

/** Samples [start, end) of the epoch's order. */
const sliceSchema = z.strictObject({ slice: count, attempt: count, start: count, end: count });
export type SliceAssignment = z.infer<typeof sliceSchema>;

// Worker → coordinator

/** "Here I am, and this is what I compute on." The first message; answered by `welcome` or `refused`. */
const hello = z.strictObject({
  type: z.literal("hello"),
  protocol: count,
  name: text,
  device: text,
  backend: text,
  libraryVersion: text,
  instructionSet: text,
  threads: count,
});

/** "I have built the model and opened the data; this is what they look like." Answered by `start` or `refused`. */
const ready = z.strictObject({
  type: z.literal("ready"),
  modelName: text,
  tensors: z.array(tensorSpecSchema).max(4096),
  /** Under PyTorch's names, in the order of `tensors`. */
  stateDict: z.array(tensorSpecSchema).max(4096),
  /** Of each tensor whether its gradient can be had as factors. */
  factorable: z.array(z.boolean()).max(4096),
  inputShape: z.tuple([count, count, count]),
  numClasses: count,
  classes: z.array(text).max(100_000),
  mean: z.array(z.number()).max(64),
  std: z.array(z.number()).max(64),
  trainSamples: count,
  validationSamples: count,
  testSamples: count,
  /** What model.json of TensorFlow.js will say, as JSON; the first worker's is kept. */
  topology: z.string().max(3_000_000),
});

/** "I lack these records of the data set." Answered by `records`. */
const wantRecords = z.strictObject({
  type: z.literal("want-records"),
  request: count,
  part: z.enum(["train", "test"]),
  indexes: z.array(count).max(1024),
});

/** "A piece of my gradients for this slice." Part 0 is the dense part; 1 + 2k and 2 + 2k are factored tensor k's. */
const gradientChunk = z.strictObject({
  type: z.literal("gradient-chunk"),
  step: count,
  slice: count,
  attempt: count,
  part: count,
  /** In elements of the part. */
  offset: count,
  data: floats,
});

/** "That was all of my contribution for this slice." Its sums count when the coordinator commits the step. */
const contribution = z.strictObject({
  type: z.literal("contribution"),
  step: count,
  slice: count,
  attempt: count,
  samples: count,
  /** Not finite if the training has come apart: the coordinator then ends the run. */
  lossSum: z.union([z.number(), z.nan(), z.literal(Number.POSITIVE_INFINITY), z.literal(Number.NEGATIVE_INFINITY)]),
  correct: count,
  ms: milliseconds,
});

/** "These are the sums over the samples that you asked me to evaluate." */
const evaluation = z.strictObject({
  type: z.literal("evaluation"),
  request: count,
  samples: count,
  lossSum: z.number(),
  confusion: z.array(z.array(count).max(4096)).max(4096),
});

/** "A piece of my weights, or of my momentum." */
const stateChunk = z.strictObject({
  type: z.literal("state-chunk"),
  request: count,
  tensor: count,
  kind: z.enum(["weight", "velocity"]),
  offset: count,
  data: floats,
});

/** "That was all of my state." */
const stateEnd = z.strictObject({ type: z.literal("state-end"), request: count });

/** "I am alive." Sent whenever the coordinator's interval has passed, even while a step computes. */
const heartbeat = z.strictObject({ type: z.literal("heartbeat") });

/** "I cannot go on, for this reason." Then it closes. */
const failed = z.strictObject({ type: z.literal("failed"), code: text, reason: text });

export const workerMessageSchema = z.discriminatedUnion("type", [
  hello,
  ready,
  wantRecords,
  gradientChunk,
  contribution,
  evaluation,
  stateChunk,
  stateEnd,
  heartbeat,
  failed,
]);
export type WorkerMessage = z.infer<typeof workerMessageSchema>;

// Coordinator → worker

/** "You are in. This is the run." Answered by `ready`. */
const welcome = z.strictObject({
  type: z.literal("welcome"),
  workerId: count,
  heartbeatMs: count,
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

/** "These are the records that you asked for, in that order." */
const records = z.strictObject({ type: z.literal("records"), request: count, data: floats, crc32: count });

/** "I can't take you, for this reason." Then it closes. */
const refused = z.strictObject({ type: z.literal("refused"), code: text, reason: text });

/** "All of you are here. This is how gradients travel." State chunks follow if the weights do not come from the seed. */
const start = z.strictObject({
  type: z.literal("start"),
  forms: z.array(z.enum(["dense", "factored"])).max(4096),
  wire: z.enum(["fp32", "bf16"]),
  /** Whether the weights follow as `load-chunk`s; otherwise each worker draws them from the seed. */
  stateFollows: z.boolean(),
});

/** "A piece of the weights or the momentum to begin with." */
const loadChunk = z.strictObject({
  type: z.literal("load-chunk"),
  tensor: count,
  kind: z.enum(["weight", "velocity"]),
  offset: count,
  data: floats,
});

/** "That was all of the state." */
const loadEnd = z.strictObject({ type: z.literal("load-end") });

/** "Compute your slices of this step." Answered by chunks and a `contribution` for each slice. */
const assign = z.strictObject({
  type: z.literal("assign"),
  step: count,
  epoch: count,
  learningRate: z.number(),
  /** Yours. */
  slices: z.array(sliceSchema).max(65_536),
  /** Samples of every slice of the step, in slice order. */
  sliceSamples: z.array(count).max(65_536),
});

/** "A piece of the sum over all slices" (part 0), or of another worker's factors for `slice`. */
const updateChunk = z.strictObject({
  type: z.literal("update-chunk"),
  step: count,
  slice: count,
  part: count,
  offset: count,
  data: floats,
});

/** "The step holds: apply it." All its chunks were sent before. */
const commit = z.strictObject({
  type: z.literal("commit"),
  step: count,
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

/** "Send me your weights and momentum." Answered by `state-chunk`s and `state-end`. */
const sendState = z.strictObject({ type: z.literal("send-state"), request: count });

/** "The run is over." The worker leaves with exit status 0. */
const finished = z.strictObject({ type: z.literal("finished") });

export const coordinatorMessageSchema = z.discriminatedUnion("type", [
  welcome,
  records,
  refused,
  start,
  loadChunk,
  loadEnd,
  assign,
  updateChunk,
  commit,
  evaluate,
  sendState,
  finished,
]);
export type CoordinatorMessage = z.infer<typeof coordinatorMessageSchema>;
