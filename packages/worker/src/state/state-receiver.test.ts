/** Assembles states of pieces that are out of order, unaligned, sent again or invalid. */
import { expect, test } from "vitest";
import { StateReceiver } from "./state-receiver.ts";

const NAMES = [
  { name: "fc.weight", torchShape: [2, 3] },
  { name: "fc.bias", torchShape: [2] },
];
const piece = (tensor: number, kind: "weight" | "velocity", offset: number, ...values: number[]) => ({
  type: "load-chunk" as const,
  tensor,
  kind,
  offset,
  data: new Uint8Array(Float32Array.from(values).buffer),
});
const floats = (...values: number[]) => Float32Array.from(values);

test("a state is assembled from pieces in any order, with PyTorch's names and shapes", () => {
  const receiver = new StateReceiver(NAMES);
  for (const chunk of [
    piece(1, "velocity", 0, 7, 8),
    piece(0, "weight", 4, 5, 6),
    piece(0, "weight", 0, 1, 2, 3, 4),
    piece(1, "weight", 1, 10),
    piece(1, "weight", 0, 9),
    piece(0, "velocity", 0, 0, 0, 0, 0, 0, -1),
  ]) {
    receiver.add(chunk);
  }
  expect([...receiver.dict("weight")]).toEqual([
    ["fc.weight", { shape: [2, 3], data: floats(1, 2, 3, 4, 5, 6) }],
    ["fc.bias", { shape: [2], data: floats(9, 10) }],
  ]);
  expect([...receiver.dict("velocity")]).toEqual([
    ["fc.weight", { shape: [2, 3], data: floats(0, 0, 0, 0, 0, -1) }],
    ["fc.bias", { shape: [2], data: floats(7, 8) }],
  ]);
});

test("the data of a piece may be unaligned in its message", () => {
  const receiver = new StateReceiver(NAMES);
  const { data, ...place } = piece(1, "weight", 0, 3, 4);
  const message = new Uint8Array([0, ...data, 0]);
  receiver.add({ ...place, data: message.subarray(1, 9) });
  expect(receiver.dict("weight").get("fc.bias")?.data).toEqual(floats(3, 4));
});

test("a state that is sent again replaces the earlier pieces", () => {
  const receiver = new StateReceiver(NAMES);
  for (const first of [1, 5]) receiver.add(piece(0, "weight", 0, first, 0, 0, 0));
  receiver.add(piece(0, "weight", 4, 6, 7));
  expect(receiver.dict("weight").get("fc.weight")?.data).toEqual(floats(5, 0, 0, 0, 6, 7));
});

test.each([
  ["of an unknown tensor", piece(2, "weight", 0, 1)],
  ["beyond the end of its tensor", piece(1, "velocity", 1, 1, 2)],
  ["longer than its tensor", piece(1, "weight", 0, 1, 2, 3)],
  ["with a fraction of an element", { ...piece(1, "weight", 0, 1), data: new Uint8Array(3) }],
])("a piece %s is rejected", (_, chunk) => {
  const refused = expect.objectContaining({ name: "LockstepError", code: "ERR_CHUNK" });
  expect(() => new StateReceiver(NAMES).add(chunk)).toThrow(refused);
});
