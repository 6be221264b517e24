/** Encodes every type of message, and decodes truncated, flipped, replaced and random bytes. */
import { at, LockstepError } from "@lockstep/errors";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, test } from "vitest";
import { decodeFromCoordinator, decodeFromWorker, encode } from "./codec.ts";
import { toStep, toSubtreeId, toWorkerId } from "./ids.ts";
import {
  type CoordinatorMessage,
  coordinatorMessageSchema,
  type MessageOf,
  type WorkerMessage,
  workerMessageSchema,
} from "./messages.ts";

type Message = WorkerMessage | CoordinatorMessage;

const data = Uint8Array.of(0, 0, 128, 63, 1, 2, 3, 4);
const piece = { step: toStep(1), subtree: toSubtreeId(2), attempt: 3, part: 4, offset: 2 ** 33, packed: true, data };
const state = { tensor: 5, kind: "velocity" as const, offset: 70_000, data };

const hello: MessageOf<"hello"> = {
  type: "hello",
  protocol: 4,
  name: "wörker",
  device: "d",
  backend: "native",
  libraryVersion: "2",
  gpu: "G, driver 1",
  instructionSet: "AVX2",
  threads: 2,
  holds: { run: "r", step: 40 },
};
const contribution: MessageOf<"contribution"> = {
  type: "contribution",
  step: toStep(1),
  subtree: toSubtreeId(2),
  attempt: 0,
  samples: 8,
  lossSum: 0.1,
  correct: 3,
  ms: { forward: 1.5, "read-back": 0 },
  io: { encode: 0.25 },
  doneMs: 1234.5,
};
const welcome: MessageOf<"welcome"> = {
  type: "welcome",
  workerId: toWorkerId(0),
  heartbeatMs: 1000,
  run: "r",
  codeModel: false,
  config: { lr: 0.1, model: "alexnet", augment: true, shares: [1, 2], nested: { seed: 2 ** 32 - 1 }, none: null },
  spec: { layers: [{ type: "dense", units: 10 }] },
  supplied: { dataset: "shapes", digest: "d", trainSamples: 5, testSamples: 2, mean: [0.5], std: [0.25] },
};

const MAY_BE_MISSING = ["gpu", "holds", "ownWeights", "compiled", "spec", "supplied", "predictions"];

const fromWorkers: WorkerMessage[] = [
  hello,
  { type: "clock", nowMs: 1234.5 },
  {
    type: "ready",
    fingerprint: "f",
    code: { version: "0.1.0", arithmetic: 1, draws: "0a1b" },
    modelName: "m",
    ownWeights: { written: 1, digest: "0c1d" },
    compiled: "the optimizer Adam",
    tensors: [{ name: "k", shape: [3, 3, 2, 4], dtype: "float32" }],
    stateDict: [{ name: "features.0.weight", shape: [4, 2, 3, 3] }],
    factorable: [false, true],
    inputShape: [32, 32, 3],
    numClasses: 2,
    classes: ["cat", "dog"],
    mean: [0.1, 1 / 3],
    std: [0.2, 1e-9],
    trainSamples: 45_000,
    validationSamples: 5_000,
    testSamples: 10_000,
    topology: '{"class_name":"Model"}',
    linkBytesPerSecond: 1.25e8,
    gemmFlopsPerSecond: 3.1e11,
  },
  { type: "want-records", request: 3, part: "train", indexes: [5, 1] },
  { type: "gradient-chunk", ...piece },
  contribution,
  {
    type: "evaluation",
    request: 1,
    samples: 3,
    lossSum: 2.5,
    confusion: [
      [1, 2],
      [0, 70_000],
    ],
    predictions: [1, 0, 1],
  },
  { type: "state-chunk", request: 1, ...state },
  { type: "state-end", request: 1, step: 9 },
  { type: "loaded", largestDifference: 1e-7 },
  { type: "synced" },
  { type: "digest-result", step: 9, digest: "0af" },
  { type: "leaving" },
  { type: "heartbeat" },
  { type: "failed", code: "ERR_NO_GPU", reason: "because" },
];

const fromCoordinators: CoordinatorMessage[] = [
  welcome,
  { type: "link-probe", data },
  { type: "records", request: 3, data, crc32: 2 ** 32 - 1 },
  { type: "refused", code: "ERR_NO_GPU", reason: "because" },
  { type: "start", forms: ["dense", "factored"], wire: "bf16", chunkBytes: 2 ** 20, state: "held" },
  { type: "load-chunk", ...state },
  { type: "load-end", step: 12 },
  { type: "sync" },
  {
    type: "assign",
    step: toStep(1),
    epoch: 2,
    start: 64,
    end: 71,
    learningRate: 0.01,
    attempts: [{ subtree: toSubtreeId(0), attempt: 1 }],
    sliceSamples: [2, 2, 3],
    subtreeSlices: [2, 1],
  },
  { type: "update-chunk", ...piece },
  { type: "withdrawn", step: toStep(1), subtree: toSubtreeId(2), attempt: 0, again: [0, 262_144] },
  { type: "rejected", step: toStep(1), subtree: toSubtreeId(2), attempt: 0, code: "ERR_NOT_FINITE", reason: "because" },
  { type: "commit", step: toStep(1), attempts: [0, 2], samples: 7, lossSum: 1.5, correct: 2 },
  { type: "evaluate", request: 1, part: "validation", start: 0, end: 10 },
  { type: "send-state", request: 1, window: 8 },
  { type: "state-ack", request: 1 },
  { type: "digest" },
  { type: "alive" },
  { type: "finished" },
];

interface Direction {
  from: string;
  samples: Message[];
  /** All message types and their fields; each needs a sample. */
  types: { type: string; fields: string[] }[];
  decode: (bytes: Uint8Array) => Message;
}
const typesOf = ({ options }: typeof workerMessageSchema | typeof coordinatorMessageSchema) =>
  options.map(({ shape }) => ({ type: shape.type.value, fields: Object.keys(shape).sort() }));
const directions: Direction[] = [
  { from: "a worker", samples: fromWorkers, types: typesOf(workerMessageSchema), decode: decodeFromWorker },
  {
    from: "the coordinator",
    samples: fromCoordinators,
    decode: decodeFromCoordinator,
    types: typesOf(coordinatorMessageSchema),
  },
];

const packed = (value: unknown): Uint8Array => new Packr({ useRecords: false }).pack(value);

/** Asserts that the bytes decode to a message that encodes to itself, or are refused like every bad message. */
function assertMessageOrRefusal(bytes: Uint8Array, decode: (bytes: Uint8Array) => Message) {
  let message: Message;
  try {
    message = decode(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(LockstepError);
    expect(error).toHaveProperty("code", "ERR_MESSAGE");
    return;
  }
  expect(decode(encode(message))).toEqual(message);
}

describe.each(directions)("messages from $from", ({ samples, types, decode }) => {
  test("messages of every type, with every field, have a sample in this test", () => {
    expect(samples.map((sample) => ({ type: sample.type, fields: Object.keys(sample).sort() }))).toEqual(types);
  });

  test.each(samples)("the message $type comes back as it was", (message) => {
    expect(decode(encode(message))).toStrictEqual(message);
  });

  test.each(samples)(
    "the message $type is refused where a field is missing, one is too many, or one is of another kind",
    (message) => {
      expect(() => decode(packed({ ...message, more: 1 }))).toThrow("is invalid");
      for (const field of Object.keys(message)) {
        if (MAY_BE_MISSING.includes(field)) continue;
        const others = Object.entries(message).filter(([name]) => name !== field);
        expect(() => decode(packed(Object.fromEntries(others))), field).toThrow("is invalid");
        expect(() => decode(packed({ ...message, [field]: new Date(0) })), field).toThrow(LockstepError);
      }
    },
  );
});

describe.each(directions)("bytes in place of messages from $from", ({ samples, decode }) => {
  test("messages are refused if they are cut at any length, or continue after their end", () => {
    for (const bytes of samples.map(encode)) {
      for (let length = 0; length < bytes.length; length++) {
        expect(() => decode(bytes.subarray(0, length))).toThrow(LockstepError);
      }
      expect(() => decode(Buffer.concat([bytes, bytes]))).toThrow(LockstepError);
    }
  });

  test("messages with any flipped bit are another message, or refused", () => {
    for (const bytes of samples.map(encode)) {
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const byte = at(bytes, bit >> 3);
        bytes[bit >> 3] = byte ^ (1 << (bit & 7));
        assertMessageOrRefusal(bytes, decode);
        bytes[bit >> 3] = byte;
      }
    }
  });
});

describe.each(directions)("values in place of messages from $from", ({ samples, decode }) => {
  test("messages with any value in place of a field are another message, or refused", () => {
    const value = fc.oneof(fc.jsonValue(), fc.double(), fc.integer(), fc.uint8Array({ maxLength: 9 }));
    fc.assert(
      fc.property(fc.constantFrom(...samples), fc.nat(), value, (message, place, other) => {
        const fields = Object.keys(message);
        assertMessageOrRefusal(packed({ ...message, [at(fields, place % fields.length)]: other }), decode);
      }),
      { numRuns: 2000 },
    );
  });

  test("random bytes are refused", () => {
    const refuse = (bytes: Uint8Array): void => {
      expect(() => decode(bytes)).toThrow(LockstepError);
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refuse), { numRuns: 2000 });
  });

  test("messages of the other end are refused", () => {
    const others = directions
      .filter((direction) => direction.decode !== decode)
      .flatMap((direction) => direction.samples);
    for (const message of others) expect(() => decode(encode(message)), message.type).toThrow("is invalid");
  });
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  "a message may have the loss %d",
  (lossSum) => {
    const message = { ...contribution, lossSum };
    expect(decodeFromWorker(encode(message))).toEqual(message);
  },
);

test("an optional field may be missing or undefined", () => {
  const { holds: _, ...withoutState } = hello;
  expect(decodeFromWorker(encode(withoutState))).toEqual(withoutState);
  expect(decodeFromWorker(encode({ ...hello, holds: undefined }))).toEqual(withoutState);
  const { spec: __, supplied: ___, ...others } = welcome;
  const bare = { ...others, config: { lr: 0.1, dropout: undefined } };
  expect(decodeFromCoordinator(encode(bare))).toEqual(bare);
});

test("decoded data is a plain array, whose slice is a copy", () => {
  const message = decodeFromWorker(encode({ type: "gradient-chunk", ...piece }));
  if (message.type !== "gradient-chunk") throw new Error("Expected a chunk.");
  expect(message.data.constructor).toBe(Uint8Array);
  expect(message.data.slice().buffer.byteLength).toBe(data.length);
});

test("encoding a message leaves the bytes of the previous one unchanged", () => {
  const messages = [...fromWorkers, ...fromCoordinators];
  const all = messages.map(encode);
  for (const [index, bytes] of all.entries()) expect(bytes.equals(encode(at(messages, index)))).toBe(true);
});

test("the error for a refused message names its sender, the field, and what is wrong with it", () => {
  const refusal = (value: unknown) => () => decodeFromWorker(packed(value));
  expect(refusal({ type: "state-end", request: -1, step: 0 })).toThrow(
    /^A message from a worker is invalid: request: /,
  );
  expect(refusal({ type: "lunch" })).toThrow(/^A message from a worker is invalid: type: .*'heartbeat'/);
  expect(() => decodeFromCoordinator(Uint8Array.of(0xc1, 0))).toThrow(
    "Expected a message of plain MessagePack from the coordinator, got a value of the forbidden type 0xc1.",
  );
});
