/** Checks the measured times of overlapping work on a clock that the test moves. */
import { expect, test } from "vitest";
import { IoClock } from "./io-clock.ts";

/** Makes an I/O clock on a fake clock, and work that advances it. */
function startClock() {
  let nowMs = 1000;
  const pass = (ms: number) => {
    nowMs += ms;
  };
  const working = (ms: number) => () => {
    pass(ms);
    return `worked ${ms} ms`;
  };
  return { clock: new IoClock(() => nowMs), pass, working };
}

test("encoding and receiving are timed separately, and their results are returned", () => {
  const { clock, pass, working } = startClock();
  expect(clock.encode(working(3))).toBe("worked 3 ms");
  pass(100);
  expect(clock.receive(working(5))).toBe("worked 5 ms");
  clock.encode(working(4));
  expect(clock.readAndReset()).toEqual({ encode: 7, send: 0, receive: 5 });
});

test("the time of overlapping sends counts once", () => {
  const { clock, pass } = startClock();
  const first = clock.sending();
  pass(10);
  const second = clock.sending();
  pass(10);
  first();
  pass(10);
  second();
  pass(100);
  const third = clock.sending();
  pass(1);
  third();
  expect(clock.readAndReset().send).toBe(31);
});

test("reading the times resets them, and a send under way counts when it ends", () => {
  const { clock, pass, working } = startClock();
  clock.encode(working(3));
  const sent = clock.sending();
  pass(10);
  expect(clock.readAndReset()).toEqual({ encode: 3, send: 0, receive: 0 });
  pass(10);
  sent();
  expect(clock.readAndReset()).toEqual({ encode: 0, send: 20, receive: 0 });
  expect(clock.readAndReset()).toEqual({ encode: 0, send: 0, receive: 0 });
});
