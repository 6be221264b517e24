/** Checks a round of evaluation without a team: losses beyond float32, and a time without workers. */
import { toWorkerId } from "@lockstep/gradient-sync";
import { expect, test } from "vitest";
import { EvaluationRound } from "./evaluation-round.ts";

const CLASSES = 2;
const [first, second] = [toWorkerId(0), toWorkerId(1)];
/** An answer of a range of two samples, both recognised. */
const reply = (request: number, lossSum: number) => ({
  request,
  samples: 2,
  lossSum,
  confusion: [
    [2, 0],
    [0, 0],
  ],
});

test("a range with a loss beyond float32 goes to another worker; if that one finds the same, the evaluation has no loss", () => {
  const round = new EvaluationRound(2, CLASSES, 5);
  round.assign(first);
  expect(round.add(first, reply(5, 1e308))).toBe("a loss that is not finite");
  round.settle([first, second]);
  expect(round.done).toBe(false);
  round.assign(second);
  expect(round.add(second, reply(5, 1e308))).toBeUndefined();
  expect(round.total().lossSum).toBeNaN();
});

test("a range is not settled while there are no workers", () => {
  const round = new EvaluationRound(2, CLASSES, 0);
  round.assign(first);
  round.withdraw(first);
  round.settle([]);
  expect(round.done).toBe(false);
  round.assign(second);
  round.add(second, reply(0, 3));
  expect([round.done, round.total().lossSum]).toEqual([true, 3]);
});
