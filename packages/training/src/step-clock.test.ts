/** Checks the laps of a step on a clock that the test sets. */
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { LapClock } from "./step-clock.ts";

test("laps of the same part add up, `step` is the total, and the next step starts at once", () => {
  const times = [0, 3, 5, 10, 12, 20, 21];
  const clock = new LapClock(() => defined(times.shift(), "the time"));
  for (const part of ["data", "forward", "backward", "forward"]) clock.lap(part);
  expect(clock.finish()).toEqual({ step: 20, data: 3, forward: 4, backward: 5 });
  expect(clock.finish()).toEqual({ step: 1 });
});
