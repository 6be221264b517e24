import { LockstepError } from "@lockstep/errors";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, test } from "vitest";
import { decodeFromCoordinator, decodeFromWorker, encode } from "./codec.ts";
import type { CoordinatorMessage, WorkerMessage } from "./messages.ts";

const data = Uint8Array.of(0, 0, 128, 63, 1, 2, 3, 4);
const fromWorkers: WorkerMessage[] = [
  {
    type: "hello",
    protocol: 1,
    name: "w",
    device: "d",
    backend: "native",
    libraryVersion: "2",
    instructionSet: "AVX2",
    threads: 2,
  },
  { type: "gradient-chunk", step: 1, slice: 2, attempt: 0, part: 3, offset: 4, data },
  { type: "want-records", request: 3, part: "train", indexes: [5, 1] },
  { type: "contribution", step: 1, slice: 2, attempt: 0, samples: 8, lossSum: 0.1, correct: 3, ms: { forward: 1.5 } },
  { type: "contribution", step: 1, slice: 2, attempt: 0, samples: 8, lossSum: Number.NaN, correct: 3, ms: {} },
  {
    type: "evaluation",
    request: 1,
    samples: 3,
    lossSum: 2.5,
    confusion: [
      [1, 2],
      [0, 0],
    ],
  },
  { type: "state-chunk", request: 1, tensor: 0, kind: "velocity", offset: 0, data },
  { type: "state-end", request: 1 },
  { type: "heartbeat" },
  { type: "failed", code: "ERR_X", reason: "because" },
];
const fromCoordinators: CoordinatorMessage[] = [
  { type: "welcome", workerId: 0, heartbeatMs: 1000, config: { lr: 0.1, dropout: undefined }, codeModel: false },
  { type: "records", request: 3, data, crc32: 7 },
  { type: "refused", code: "ERR_X", reason: "because" },
  { type: "start", forms: ["dense", "factored"], wire: "bf16", stateFollows: false },
  {
    type: "assign",
    step: 1,
    epoch: 0,
    learningRate: 0.1,
    slices: [{ slice: 0, attempt: 0, start: 0, end: 4 }],
    sliceSamples: [4, 3],
  },
  { type: "update-chunk", step: 1, slice: 0, part: 0, offset: 0, data },
  { type: "commit", step: 1, samples: 7, lossSum: 1.5, correct: 2 },
  { type: "evaluate", request: 1, part: "test", start: 0, end: 10 },
  { type: "finished" },
];

describe("the codec", () => {
  test.each(fromWorkers)("a worker's $type comes back as it was", (message) => {
    expect(decodeFromWorker(encode(message))).toEqual(message);
  });
  test.each(fromCoordinators)("a coordinator's $type comes back as it was", (message) => {
    expect(decodeFromCoordinator(encode(message))).toEqual(message);
  });

  test("data is a plain array: slicing it copies", () => {
    const message = decodeFromWorker(encode(fromWorkers[1]!));
    if (!("data" in message)) throw new Error("Expected a chunk.");
    expect(Buffer.isBuffer(message.data)).toBe(false);
    expect(message.data.slice().buffer.byteLength).toBe(data.length);
  });

  test("a message cut at any length, or of random bytes, is refused with an error and nothing else", () => {
    const refuse = (bytes: Uint8Array): void => {
      expect(() => decodeFromWorker(bytes)).toThrow(LockstepError);
    };
    for (const message of fromWorkers) {
      const bytes = encode(message);
      for (let length = 0; length < bytes.length; length++) refuse(bytes.subarray(0, length));
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refuse), { numRuns: 2000 });
  });

  test.each([
    ["an unknown type", { type: "lunch" }],
    ["a missing field", { type: "state-end" }],
    ["a field too many", { type: "heartbeat", more: 1 }],
    ["a negative step", { type: "gradient-chunk", step: -1, slice: 0, attempt: 0, part: 0, offset: 0, data }],
    [
      "numbers instead of bytes",
      { type: "gradient-chunk", step: 1, slice: 0, attempt: 0, part: 0, offset: 0, data: [1, 2] },
    ],
    ["a coordinator's message", { type: "finished" }],
  ])("%s is refused", (_, value) => {
    const bytes = new Packr({ useRecords: false }).pack(value);
    expect(() => decodeFromWorker(bytes)).toThrow("A message from a worker is not as agreed");
  });
});
