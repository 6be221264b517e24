import { beforeEach, expect, test } from "vitest";
import { IoClock } from "./io-clock.ts";

let nowMs = 0;
let clock: IoClock;
beforeEach(() => {
  nowMs = 1000;
  clock = new IoClock(() => nowMs);
});
/** Work that takes so long, and gives a result. */
const working = (ms: number) => () => {
  nowMs += ms;
  return `worked ${ms} ms`;
};

test("times encoding and receiving apart, hands on what they give, and does not count what lies between", () => {
  expect(clock.encode(working(3))).toBe("worked 3 ms");
  nowMs += 100;
  expect(clock.receive(working(5))).toBe("worked 5 ms");
  clock.encode(working(4));
  expect(clock.readAndReset()).toEqual({ encode: 7, send: 0, receive: 5 });
});

test("counts the time in which anything is being sent once, however many messages are", () => {
  const first = clock.sending();
  nowMs += 10;
  const second = clock.sending();
  nowMs += 10;
  first();
  nowMs += 10;
  second();
  nowMs += 100;
  const third = clock.sending();
  nowMs += 1;
  third();
  expect(clock.readAndReset().send).toBe(31);
});

test("begins anew when it is taken; what is still being sent is counted when it has gone", () => {
  clock.encode(working(3));
  const sent = clock.sending();
  nowMs += 10;
  expect(clock.readAndReset()).toEqual({ encode: 3, send: 0, receive: 0 });
  nowMs += 10;
  sent();
  expect(clock.readAndReset()).toEqual({ encode: 0, send: 20, receive: 0 });
  expect(clock.readAndReset()).toEqual({ encode: 0, send: 0, receive: 0 });
});
