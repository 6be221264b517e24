import { LockstepError } from "@lockstep/errors";
import { describe, expect, test } from "vitest";
import { failureSignal, StopReason, stopCauseOf, throwIfFailed } from "./stop-reason.ts";

const taken = new LockstepError("ERR_RUN_TAKEN", "Another process has taken the folder.");

describe("a signal that stops a run", () => {
  test("has no cause until it aborts, and then that of its reason", () => {
    const stop = new AbortController();
    expect(stopCauseOf(stop.signal)).toBeUndefined();
    stop.abort(new StopReason({ type: "dashboard" }));
    expect(stopCauseOf(stop.signal)).toEqual({ type: "dashboard" });
    expect(() => throwIfFailed(stop.signal)).not.toThrow();
  });

  test("keeps its cause through AbortSignal.any, where the first one counts", () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const either = AbortSignal.any([first.signal, second.signal]);
    second.abort(new StopReason({ type: "signal", signal: "SIGTERM" }));
    first.abort(new StopReason({ type: "dashboard" }));
    expect(stopCauseOf(either)).toEqual({ type: "signal", signal: "SIGTERM" });
  });

  test("fails with the error of a promise that rejects, and with what it rejects with if that is no error", async () => {
    const failing = failureSignal(Promise.reject(taken));
    const odd = failureSignal(Promise.reject("no error"));
    await Promise.resolve();
    expect(stopCauseOf(failing)).toEqual({ type: "failure", error: taken });
    expect(() => throwIfFailed(failing)).toThrow(taken);
    expect(() => throwIfFailed(odd)).toThrow("no error");
  });

  test("that is aborted with another reason is a failure of its own", () => {
    expect(stopCauseOf(AbortSignal.abort(taken))).toEqual({ type: "failure", error: taken });
  });
});
