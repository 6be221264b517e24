/** Checks the speed of a link from gaps between probes, worked out by hand. */
import { LINK_PROBES } from "@lockstep/gradient-sync";
import { expect, test } from "vitest";
import { LinkSpeed } from "./link-speed.ts";

/** Returns the result of each probe of a series with these gaps. */
function speeds(bytes: number, gapsMs: readonly number[]): (number | undefined)[] {
  const link = new LinkSpeed();
  let nowMs = 5000;
  return [
    link.probe(bytes, nowMs),
    ...gapsMs.map((gapMs) => {
      nowMs += gapMs;
      return link.probe(bytes, nowMs);
    }),
  ];
}

test("the last probe returns the speed of the median gap, and the others return undefined", () => {
  const gapsMs = Array.from({ length: LINK_PROBES - 1 }, () => 10);
  gapsMs[1] = 400; // this thread was busy
  gapsMs[2] = 0; // and received two at once
  const results = speeds(65_536, [...gapsMs, 10]);
  expect(results.filter((speed) => speed !== undefined)).toEqual([6_553_600]);
  expect(results.indexOf(6_553_600)).toBe(LINK_PROBES - 1);
});

test("probes that arrive at once count as 0.1 ms apart", () => {
  const results = speeds(
    1000,
    Array.from({ length: LINK_PROBES - 1 }, () => 0),
  );
  expect(results.at(-1)).toBeCloseTo(1e7);
});
