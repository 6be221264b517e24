/** Compares durations with texts written by hand, from less than a second to hours. */
import { expect, test } from "vitest";
import { formatDuration } from "./duration.ts";

test.each([
  [0.4, "0 s"],
  [59.4, "59 s"],
  [200, "3 min 20 s"],
  [7500, "2 h 5 min"],
])("%d seconds read %s", (seconds, text) => expect(formatDuration(seconds)).toBe(text));
