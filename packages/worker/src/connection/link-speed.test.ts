import { LINK_PROBES } from "@lockstep/gradient-sync";
import { expect, test } from "vitest";
import { LinkSpeed } from "./link-speed.ts";

/** What each of these gaps between probes of so many bytes gives. */
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

test("the median gap decides, and is told with the last probe only", () => {
  const gapsMs = Array.from({ length: LINK_PROBES - 1 }, () => 10);
  gapsMs[1] = 400; // this thread was busy
  gapsMs[2] = 0; // and took two at once
  const told = speeds(65_536, [...gapsMs, 10]);
  expect(told.filter((speed) => speed !== undefined)).toEqual([6_553_600]);
  expect(told.indexOf(6_553_600)).toBe(LINK_PROBES - 1);
});

test("probes that come at once count as 0.1 ms apart", () => {
  const told = speeds(
    1000,
    Array.from({ length: LINK_PROBES - 1 }, () => 0),
  );
  expect(told.at(-1)).toBeCloseTo(1e7);
});
