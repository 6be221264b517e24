/** Checks that a log of updates has no hole: beyond its limit it holds nothing. */
import { expect, test } from "vitest";
import { UpdateLog } from "./update-log.ts";

const bytes = (length: number) => Buffer.alloc(length, length);

test("an update log keeps messages in order, up to its limit", () => {
  const log = new UpdateLog(10);
  for (const length of [3, 0, 7]) log.add(bytes(length));
  expect([log.messages, log.overflowed]).toEqual([[3, 0, 7].map(bytes), false]);
});

test("an update log beyond its limit keeps no messages, earlier or later, since they would have a gap", () => {
  const log = new UpdateLog(10);
  log.add(bytes(10));
  log.add(bytes(1));
  expect([log.messages, log.overflowed]).toEqual([[], true]);
  log.add(bytes(0));
  expect([log.messages, log.overflowed]).toEqual([[], true]);
});
