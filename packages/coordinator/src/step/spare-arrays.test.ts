import { makeLayout } from "@lockstep/gradient-sync";
import { expect, test } from "vitest";
import { slices, task, tensor } from "../testing/three-slices.ts";
import { SpareArrays } from "./spare-arrays.ts";
import { StepRound } from "./step-round.ts";

test("an array that was given back is taken again where its length is asked for", () => {
  const spare = new SpareArrays();
  const [first, second] = [spare.take(3), spare.take(3)];
  expect(second).not.toBe(first);
  spare.giveBack(first);
  expect(spare.take(2)).toHaveLength(2);
  expect(spare.take(3)).toBe(first);
  expect(spare.take(3)).not.toBe(first);
});

test("what is only looked at shares one array, which grows where it must", () => {
  const spare = new SpareArrays();
  expect(spare.scratch(2)).toHaveLength(2);
  const large = spare.scratch(5);
  expect(large).toHaveLength(5);
  expect(spare.scratch(3)).toHaveLength(3);
  expect(spare.scratch(3).buffer).toBe(large.buffer);
});

test("a step of a small model begins without an array as large as a chunk may be", () => {
  const layout = makeLayout([tensor("bias", 5), tensor("kernel", 2, 1)], {
    ...{ forms: ["dense", "factored"], wire: "fp32", chunkBytes: 2 ** 24 },
  });
  const spare = new SpareArrays();
  const bytesBefore = process.memoryUsage().arrayBuffers;
  const round = new StepRound(task, slices, layout, true, spare);
  expect(process.memoryUsage().arrayBuffers - bytesBefore).toBeLessThan(2 ** 20);
  expect(round.slices).toHaveLength(slices.length);
});
