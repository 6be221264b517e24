/** Tests why a run stops. */
import { LockstepError } from "@lockstep/errors";
import { expect, test } from "vitest";
import { failureSignal, StopReason, stopCauseOf, throwIfFailed } from "./stop-reason.ts";

const taken = new LockstepError("ERR_RUN_TAKEN", "Another process has taken the folder.");

test("a stop signal has no cause until it aborts, and then that of its reason", () => {
  const stop = new AbortController();
  expect(stopCauseOf(stop.signal)).toBeUndefined();
  stop.abort(new StopReason({ type: "dashboard" }));
  expect(stopCauseOf(stop.signal)).toEqual({ type: "dashboard" });
  expect(() => throwIfFailed(stop.signal)).not.toThrow();
});

test("AbortSignal.any has the cause of the signal that aborts first", () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const either = AbortSignal.any([first.signal, second.signal]);
  second.abort(new StopReason({ type: "signal", signal: "SIGTERM" }));
  first.abort(new StopReason({ type: "dashboard" }));
  expect(stopCauseOf(either)).toEqual({ type: "signal", signal: "SIGTERM" });
});

test("a failure signal fails with what its promise rejects with, also if that is not an error", async () => {
  const failing = failureSignal(Promise.reject(taken));
  const odd = failureSignal(Promise.reject("no error"));
  await Promise.resolve();
  expect(stopCauseOf(failing)).toEqual({ type: "failure", error: taken });
  expect(() => throwIfFailed(failing)).toThrow(taken);
  expect(() => throwIfFailed(odd)).toThrow("no error");
});

test("a signal that is aborted with an error is a failure", () => {
  expect(stopCauseOf(AbortSignal.abort(taken))).toEqual({ type: "failure", error: taken });
});
