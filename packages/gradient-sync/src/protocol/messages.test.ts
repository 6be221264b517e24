/** Checks each bounded field of a message at its limit and one beyond, and values of another kind. */
import { expect, test } from "vitest";
import { coordinatorMessageSchema, workerMessageSchema, workerName } from "./messages.ts";

const accepts = (message: unknown): boolean =>
  workerMessageSchema.safeParse(message).success || coordinatorMessageSchema.safeParse(message).success;

const ready = {
  type: "ready",
  fingerprint: "f",
  modelName: "m",
  tensors: [],
  stateDict: [],
  factorable: [],
  topology: "{}",
  inputShape: [32, 32, 3],
  numClasses: 2,
  classes: [],
  mean: [],
  std: [],
  trainSamples: 1,
  validationSamples: 0,
  code: { version: "v", arithmetic: 1, draws: "d" },
  testSamples: 0,
  linkBytesPerSecond: 1,
  gemmFlopsPerSecond: 1,
};
const contribution = {
  type: "contribution",
  step: 1,
  subtree: 0,
  attempt: 0,
  samples: 1,
  lossSum: 1,
  correct: 0,
  ms: {},
  io: {},
  doneMs: 0,
};
const evaluation = { type: "evaluation", request: 1, samples: 3, lossSum: 2, confusion: [] };
const wantRecords = { type: "want-records", request: 1, part: "test", indexes: [] };
const start = { type: "start", forms: [], wire: "fp32", chunkBytes: 1024, state: "seed" };
const assign = {
  type: "assign",
  step: 0,
  epoch: 0,
  start: 0,
  end: 1,
  learningRate: 1,
  attempts: [],
  sliceSamples: [],
  subtreeSlices: [],
};
const commit = { type: "commit", step: 0, attempts: [], samples: 1, lossSum: 1, correct: 0 };
const withdrawn = { type: "withdrawn", step: 0, subtree: 0, attempt: 0, again: [] };

const list = <Element>(length: number, element: Element) => new Array<Element>(length).fill(element);
const shaped = (length: number) => ({ name: "n", shape: list(length, 1) });

test.each<[string, number, (length: number) => object]>([
  ["a text", 4096, (length) => ({ type: "failed", code: "ERR_NO_GPU", reason: "r".repeat(length) })],
  ["a topology", 3_000_000, (length) => ({ ...ready, topology: "t".repeat(length) })],
  ["tensors", 4096, (length) => ({ ...ready, tensors: list(length, { ...shaped(1), dtype: "float32" }) })],
  ["axes of a tensor", 8, (length) => ({ ...ready, tensors: [{ ...shaped(length), dtype: "float32" }] })],
  ["names of the state dict", 4096, (length) => ({ ...ready, stateDict: list(length, shaped(1)) })],
  ["axes in the state dict", 8, (length) => ({ ...ready, stateDict: [shaped(length)] })],
  ["the factorable flags", 4096, (length) => ({ ...ready, factorable: list(length, true) })],
  ["classes", 1000, (length) => ({ ...ready, classes: list(length, "c") })],
  ["channels of the mean", 64, (length) => ({ ...ready, mean: list(length, 0.5) })],
  ["channels of the deviation", 64, (length) => ({ ...ready, std: list(length, 0.5) })],
  ["records asked for", 1024, (length) => ({ ...wantRecords, indexes: list(length, 7) })],
  ["rows of a confusion matrix", 1000, (length) => ({ ...evaluation, confusion: list(length, []) })],
  ["a row of a confusion matrix", 1000, (length) => ({ ...evaluation, confusion: [list(length, 1)] })],
  ["predictions", 1024, (length) => ({ ...evaluation, predictions: list(length, 1) })],
  ["forms", 4096, (length) => ({ ...start, forms: list(length, "dense") })],
  ["assigned attempts", 8192, (length) => ({ ...assign, attempts: list(length, { subtree: 0, attempt: 0 }) })],
  ["lengths of slices", 8192, (length) => ({ ...assign, sliceSamples: list(length, 1) })],
  ["lengths of subtrees", 8192, (length) => ({ ...assign, subtreeSlices: list(length, 1) })],
  ["committed attempts", 8192, (length) => ({ ...commit, attempts: list(length, 0) })],
  ["sums that come again", 1_000_000, (length) => ({ ...withdrawn, again: list(length, 0) })],
])("the length of %s is limited to %d", (_, most, message) => {
  expect([accepts(message(most)), accepts(message(most + 1))]).toEqual([true, false]);
});

test.each([
  [
    "a count",
    (value: unknown) => ({ type: "state-ack", request: value }),
    [0, 2 ** 53 - 1],
    [-1, 0.5, 2 ** 53, "1", 1n],
  ],
  ["a count in a list", (value: unknown) => ({ ...commit, attempts: [0, value] }), [0, 9], [-1, 0.5, null, "1", 1n]],
  ["a count in a matrix", (n: unknown) => ({ ...evaluation, confusion: [[n]] }), [0, 9], [-1, 0.5, null, "1", [1]]],
  ["a loss", (lossSum: unknown) => ({ ...contribution, lossSum }), [-0.5, Number.NaN, -Infinity], ["1", null, 1n]],
  ["a committed loss", (lossSum: unknown) => ({ ...commit, lossSum }), [-0.5], [Number.NaN, Infinity]],
  [
    "milliseconds",
    (ms: unknown) => ({ ...contribution, ms: { data: ms } }),
    [0, 1.5],
    [-1, Number.NaN, Infinity, "1", null],
  ],
  ["measurements", (ms: unknown) => ({ ...contribution, ms }), [{}], [{ lunch: 1 }, [], [1], null, 1, "a"]],
  ["a link's speed", (value: unknown) => ({ ...ready, linkBytesPerSecond: value }), [0.1, 1e12], [0, -1, Infinity]],
  ["bytes of a chunk", (chunkBytes: unknown) => ({ ...start, chunkBytes }), [1], [0, -1, 1.5]],
  ["a wire", (wire: unknown) => ({ ...start, wire }), ["fp32", "bf16"], ["fp16", "", 0]],
  [
    "a shape",
    (inputShape: unknown) => ({ ...ready, inputShape }),
    [[1, 2, 3]],
    [
      [1, 2],
      [1, 2, 3, 4],
      [1, 2, -3],
    ],
  ],
  ["bytes", (data: unknown) => ({ type: "link-probe", data }), [Uint8Array.of(1)], ["1", [1], new Float32Array(1)]],
])("%s is accepted, and invalid values are not", (_, of, right, wrong) => {
  for (const value of right) expect(accepts(of(value)), String(value)).toBe(true);
  for (const value of wrong) expect(accepts(of(value)), String(value)).toBe(false);
});

test("texts for people lose their control characters, which could rewrite a terminal; texts for programs keep them", () => {
  const control = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code)).join("");
  const printable = control.replace(/[^ -~]/g, " ");
  const failed = workerMessageSchema.parse({ type: "failed", code: "ERR_NO_GPU", reason: `a\u001b[31mb${control}é…` });
  expect(failed).toEqual({ type: "failed", code: "ERR_NO_GPU", reason: `a [31mb${printable}é…` });
  expect(accepts({ type: "failed", code: `ERR_X${control}`, reason: "" })).toBe(false);
  expect(workerMessageSchema.parse({ ...ready, topology: "{\n}" })).toHaveProperty("topology", "{\n}");
});

test("an error code of another version becomes the unknown code, and its reason is kept", () => {
  const failed = workerMessageSchema.parse({ type: "failed", code: "ERR_OF_TOMORROW", reason: "because" });
  expect(failed).toEqual({ type: "failed", code: "ERR_UNKNOWN", reason: "because" });
});

test.each([
  ["w".repeat(128), "w".repeat(128)],
  ["my worker", "my worker"],
  ["bell\x07", "bell "],
  ["w".repeat(129), undefined],
  ["", undefined],
  [" ", undefined],
  ["\n", undefined],
])("a worker's name is checked by the worker as by the coordinator: %j", (name, accepted) => {
  expect(workerName(name)).toBe(accepted);
  const hello = {
    type: "hello",
    protocol: 1,
    device: "d",
    backend: "b",
    libraryVersion: "l",
    instructionSet: "i",
    threads: 1,
  };
  expect(accepts({ ...hello, name })).toBe(accepted !== undefined);
});
