/** Checks heartbeats and silences with fake timers. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Heartbeat } from "./heartbeat.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function beating() {
  const state = { sent: 0, reading: true, silences: [] as number[] };
  const heartbeat = new Heartbeat({
    send: () => state.sent++,
    isReading: () => state.reading,
    onSilence: (silentMs) => state.silences.push(silentMs),
    nowMs: () => Date.now(),
  });
  heartbeat.start(100);
  return { state, heartbeat };
}

test("a heartbeat is sent at its interval, which may change, until it is stopped", () => {
  const { state, heartbeat } = beating();
  vi.advanceTimersByTime(300);
  expect(state.sent).toBe(3);
  heartbeat.start(50);
  vi.advanceTimersByTime(100);
  expect(state.sent).toBe(5);
  heartbeat.stop();
  vi.advanceTimersByTime(1000);
  expect(state.sent).toBe(5);
});

test("a silence of ten intervals after the last bytes is reported", () => {
  const { state, heartbeat } = beating();
  vi.advanceTimersByTime(950);
  heartbeat.received();
  vi.advanceTimersByTime(949);
  expect(state.silences).toEqual([]);
  vi.advanceTimersByTime(101); // beats are at multiples of 100: the next one is at 2000
  expect(state.silences).toEqual([1050]);
});

test("the time in which the socket is paused is no silence", () => {
  const { state, heartbeat } = beating();
  state.reading = false;
  vi.advanceTimersByTime(5000);
  heartbeat.received(); // the socket resumes
  state.reading = true;
  vi.advanceTimersByTime(900);
  expect(state.silences).toEqual([]);
  expect(state.sent).toBe(59);
});
