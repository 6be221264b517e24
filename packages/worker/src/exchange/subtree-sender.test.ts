/** Checks each chunk on a scripted connection, for gradients in any order; positions are worked out by hand. */
import { startEngine, tf } from "@lockstep/engine";
import { makeLayout, StepAssembly, toStep, toSubtreeId } from "@lockstep/gradient-sync";
import { sum } from "@lockstep/run";
import { LapClock } from "@lockstep/training";
import { beforeAll, expect, test } from "vitest";
import { ScriptedConnection } from "../testing/scripted-connection.ts";
import { SubtreeSender } from "./subtree-sender.ts";

beforeAll(async () => void (await startEngine({ backend: "cpu" })));

const tensor = (name: string, ...shape: number[]) => ({ name, shape, dtype: "float32" as const });
/**
 * The dense part is in the order of the backward pass: c at 0 to 2, b at 2 to 5, a at 5 to 9. Chunks of 4 elements
 * start at 0, 4 and 8. Parts 1 and 2 are the factors of the kernel, with 2 and 3 elements per row.
 */
const TENSORS = [tensor("a", 4), tensor("kernel", 2, 3), tensor("b", 3), tensor("c", 2)];
const layoutOf = (wire: "fp32" | "bf16") =>
  makeLayout(TENSORS, { forms: ["dense", "factored", "dense", "dense"], wire, chunkBytes: wire === "fp32" ? 16 : 8 });

/** Makes a subtree sender on a scripted connection. */
function sending(wire: "fp32" | "bf16" = "fp32", sliceSamples = [2]) {
  const [connection, layout] = [new ScriptedConnection(), layoutOf(wire)];
  const assembly = new StepAssembly(layout, [1, sum(sliceSamples)]);
  const attempt = { subtree: toSubtreeId(1), attempt: 3 };
  const range = { start: 1, end: 1 + sum(sliceSamples), sliceSamples };
  const clock = new LapClock(() => 0);
  const sender = new SubtreeSender({ connection, layout, assembly, clock, step: toStep(5), attempt, range });
  const dense = (index: number, ...values: number[]) =>
    sender.gradient(index, { form: "dense", sum: tf.tensor1d(values) });
  const factored = (input: number[], delta: number[]) =>
    sender.gradient(1, { form: "factored", input: tf.tensor2d(input, [2, 2]), delta: tf.tensor2d(delta, [2, 3]) });
  /** Returns part, offset and values of the pieces sent since the last call. */
  const sent = () => connection.pieces.splice(0).map(({ part, offset, values }) => [part, offset, values]);
  return { connection, assembly, sender, dense, factored, sent };
}

test("dense gradients are sent in chunks, each as soon as it is complete, across tensor boundaries", () => {
  const { dense, sent } = sending();
  dense(3, 1, 2);
  expect(sent()).toEqual([]);
  dense(2, 3, 4, 5);
  expect(sent()).toEqual([[0, 0, [1, 2, 3, 4]]]);
  dense(0, 6, 7, 8, 9);
  expect(sent()).toEqual([
    [0, 4, [5, 6, 7, 8]],
    [0, 8, [9]],
  ]);
});

test("dense gradients may come in any order", () => {
  const { dense, sent } = sending();
  dense(0, 6, 7, 8, 9);
  expect(sent()).toEqual([[0, 8, [9]]]);
  dense(3, 1, 2);
  dense(2, 3, 4, 5);
  expect(sent()).toEqual([
    [0, 0, [1, 2, 3, 4]],
    [0, 4, [5, 6, 7, 8]],
  ]);
});

test("factors are sent at once, and added to this worker's assembly", () => {
  const { dense, factored, assembly, sent } = sending();
  factored([1, 2, 3, 4], [5, 6, 7, 8, 9, 10]);
  expect(sent()).toEqual([
    [1, 0, [1, 2, 3, 4]],
    [2, 0, [5, 6, 7, 8]],
    [2, 4, [9, 10]],
  ]);
  dense(0, 0, 0, 0, 0);
  // The coordinator sends the other worker's subtree and the sums.
  const other = { subtree: toSubtreeId(0), attempt: 0, offset: 0 };
  assembly.add({ ...other, part: 1, values: Float32Array.of(-1, -2) });
  assembly.add({ ...other, part: 2, values: Float32Array.of(-3, -4, -5) });
  for (const offset of [0, 4]) assembly.add({ ...other, part: 0, offset, values: new Float32Array(4) });
  assembly.add({ ...other, part: 0, offset: 8, values: new Float32Array(1) });
  const factors = [1, 2].map(assembly.complete(toStep(5), [0, 3]));
  expect(factors.map((values) => [...values])).toEqual([
    [-1, -2, 1, 2, 3, 4],
    [-3, -4, -5, 5, 6, 7, 8, 9, 10],
  ]);
});

test("pieces carry step, subtree, attempt and wire format", () => {
  const { connection, dense } = sending();
  dense(0, 6, 7, 8, 9);
  expect(connection.pieces).toEqual([
    { step: 5, subtree: 1, attempt: 3, part: 0, offset: 8, values: [9], wire: "fp32" },
  ]);
});

test("the sender disposes of the gradients", () => {
  const before = tf.memory().numTensors;
  const { dense, factored } = sending();
  dense(3, 1, 2);
  factored([1, 2, 3, 4], [5, 6, 7, 8, 9, 10]);
  expect(tf.memory().numTensors).toBe(before);
});

test("the sender disposes of gradients that cannot be sent, such as factors that the coordinator has sent before", () => {
  const before = tf.memory().numTensors;
  const { factored, assembly } = sending();
  assembly.add({ subtree: toSubtreeId(1), attempt: 3, part: 1, offset: 0, values: new Float32Array(4) });
  expect(() => factored([1, 2, 3, 4], [5, 6, 7, 8, 9, 10])).toThrow(
    "Got an unexpected chunk at offset 0 of part 1 of subtree 1",
  );
  expect(tf.memory().numTensors).toBe(before);
});

test("a gradient in another form than planned is an error", () => {
  const { dense } = sending();
  expect(() => dense(1, 1)).toThrow("Gradient 1 is dense, but the plan says factored.");
});

test("bf16 factors are used here as rounded, and the dense part is rounded when it is encoded", () => {
  const { connection, factored, dense, assembly } = sending("bf16");
  const fine = 1 + 2 ** -8 + 2 ** -12; // between 1 and 1 + 2⁻⁷, nearer to the latter
  factored([fine, 1, 1, 1], [1, 1, 1, 1, 1, fine]);
  dense(3, fine, 1);
  dense(2, 1, 1, 1);
  const sent = connection.pieces.map(({ part, values, wire }) => [part, Math.max(...values), wire]);
  expect(sent).toEqual([
    [1, 1 + 2 ** -7, "bf16"],
    [2, 1, "bf16"],
    [2, 1 + 2 ** -7, "bf16"],
    [0, Math.fround(fine), "bf16"],
  ]);
  assembly.withdraw({ subtree: toSubtreeId(0), attempt: 0, again: [] });
  for (const [offset, elements] of [0, 4, 8].map((offset) => [offset, offset === 8 ? 1 : 4] as const)) {
    assembly.add({ subtree: toSubtreeId(0), attempt: 0, part: 0, offset, values: new Float32Array(elements) });
  }
  for (const part of [1, 2]) {
    assembly.add({
      subtree: toSubtreeId(0),
      attempt: 0,
      part,
      offset: 0,
      values: new Float32Array(part === 1 ? 2 : 3),
    });
  }
  const factors = [1, 2].map(assembly.complete(toStep(5), [0, 3]));
  expect(factors.map((values) => Math.max(...values))).toEqual([1 + 2 ** -7, 1 + 2 ** -7]);
});

test("chunks that were sent before are sent again unchanged", () => {
  const { sender, dense, sent } = sending();
  dense(3, 1, 2);
  dense(2, 3, 4, 5);
  const [first] = sent();
  sender.resend([0, 4, 8]);
  expect(sent()).toEqual([first]); // the others are sent when they are complete
  dense(0, 6, 7, 8, 9);
  expect(sent()).toHaveLength(2);
  sender.resend([8]);
  sender.resend([]);
  sender.resend([0]);
  expect(sent()).toEqual([[0, 8, [9]], first]);
});

test("offsets of another layout are ignored", () => {
  const { sender, sent } = sending();
  sender.resend([1, 400]);
  expect(sent()).toEqual([]);
});

test("the contribution has the sums of the subtree and the times of its parts without waiting", async () => {
  const connection = new ScriptedConnection();
  let nowMs = 0;
  const clock = new LapClock(() => nowMs);
  const layout = layoutOf("fp32");
  const sender = new SubtreeSender({
    connection,
    layout,
    assembly: new StepAssembly(layout, [2]),
    clock,
    step: toStep(5),
    attempt: { subtree: toSubtreeId(0), attempt: 1 },
    range: { start: 0, end: 2, sliceSamples: [2] },
  });
  const lap = (ms: number, part: string) => {
    nowMs += ms;
    clock.lap(part);
  };
  lap(100, "wait");
  lap(3, "data");
  lap(5, "forward");
  nowMs += 7;
  sender.gradient(0, { form: "dense", sum: tf.tensor1d([1, 2, 3, 4]) });
  nowMs += 2;
  await sender.done({ samples: 2, lossSum: 1.5, correct: 1 });
  expect(connection.sent).toEqual([
    {
      type: "contribution",
      step: 5,
      subtree: 0,
      attempt: 1,
      samples: 2,
      lossSum: 1.5,
      correct: 1,
      ms: { data: 3, forward: 5, backward: 7, "read-back": 2 },
      io: {},
      doneMs: expect.any(Number),
    },
  ]);
});

test("the dense sums of several slices are sent with the last slice, and their factors with each", async () => {
  const { connection, dense, sender, sent } = sending("fp32", [1, 1, 1]);
  const one = (value: number) => {
    sender.gradient(1, { form: "factored", input: tf.tensor2d([[value, 1]]), delta: tf.tensor2d([[value, 2, 3]]) });
    dense(3, value, 1);
    dense(2, 3, 4, 5);
    return sender.done({ samples: 1, lossSum: value, correct: 1 });
  };
  await one(1e8);
  expect(sent()).toEqual([]); // the first row of the factors does not fill a chunk
  await one(-1e8);
  expect(sent()).toEqual([
    [1, 0, [1e8, 1, -1e8, 1]],
    [2, 0, [1e8, 2, 3, -1e8]],
  ]);
  await one(1);
  expect(sent()).toEqual([
    [1, 4, [1, 1]],
    [2, 4, [2, 3, 1, 2]],
    [2, 8, [3]],
    [0, 0, [1, 3, 9, 12]], // (1e8 − 1e8) + 1; in another order 1e8 + (−1e8 + 1) would be 0 in float32
  ]);
  expect(connection.sent).toMatchObject([{ type: "contribution", samples: 3, lossSum: 1, correct: 3 }]);
});
