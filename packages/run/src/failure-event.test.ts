/** Tests the event of a run that fails. */
import { expect, test } from "vitest";
import { withFailureEvent } from "./failure-event.ts";
import { LiveRun } from "./live/live-run.ts";

test("the error of a failed run is its last event, and is thrown on", async () => {
  const live = new LiveRun();
  const error = new Error("The disk is full.");
  await expect(withFailureEvent(live, () => Promise.reject(error))).rejects.toBe(error);
  expect(live.snapshot()).toMatchObject({ state: "failed", events: [{ kind: "failed", text: "The disk is full." }] });
});

test("a run that does not fail has no event of a failure", async () => {
  const live = new LiveRun();
  expect(await withFailureEvent(live, async () => "finished")).toBe("finished");
  expect(live.snapshot().events).toEqual([]);
});
