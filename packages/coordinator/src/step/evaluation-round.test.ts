import { expect, test } from "vitest";
import { EvaluationRound } from "./evaluation-round.ts";

const CLASSES = 2;
/** An answer of a range of two samples, both recognised. */
const answer = (request: number, lossSum: number) => ({
  ...{ request, samples: 2, lossSum },
  confusion: [
    [2, 0],
    [0, 0],
  ],
});

test("a loss beyond float32 is another's to find; where a second one finds it too, the evaluation has none", () => {
  const round = new EvaluationRound(2, CLASSES, 5);
  round.give(0);
  expect(round.take(0, answer(5, 1e308))).toBe("a loss that is not finite");
  round.settle([0, 1]);
  expect(round.done).toBe(false);
  round.give(1);
  expect(round.take(1, answer(5, 1e308))).toBeUndefined();
  expect(round.total().lossSum).toBeNaN();
});

test("while nobody is there, no range is given up", () => {
  const round = new EvaluationRound(2, CLASSES, 0);
  round.give(0);
  round.lose(0);
  round.settle([]);
  expect(round.done).toBe(false);
  round.give(1);
  round.take(1, answer(0, 3));
  expect([round.done, round.total().lossSum]).toEqual([true, 3]);
});
