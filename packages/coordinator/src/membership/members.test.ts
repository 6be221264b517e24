/** Checks a member by itself: its states, its progress, and a compute time too small to divide by. */
import { at } from "@lockstep/errors";
import { expect, test } from "vitest";
import type { ReadySession } from "../connections/ready-session.ts";
import { weightsOf } from "./balance.ts";
import { Member } from "./members.ts";

test("a member that reports no compute time leaves all shares finite", () => {
  const members = ["a", "b"].map((name) => new Member({} as ReadySession, name, 0));
  at(members, 0).measure(10, { tookMs: 100, computeMs: 1e-309 });
  at(members, 1).measure(10, { tookMs: 100, computeMs: 80 });
  const weights = weightsOf(
    members.map(({ speed }) => speed),
    "speed",
  );
  for (const weight of weights) expect(Number.isFinite(weight) && weight > 0).toBe(true);
});

test("a member is subscribed from the state replaying on", () => {
  const member = new Member({} as ReadySession, "late", 0);
  const states = [[member.state, member.isSubscribed]];
  for (const go of ["startLoading", "startReplaying", "activate", "leave"] as const) {
    member[go]();
    states.push([member.state, member.isSubscribed]);
  }
  expect(states).toEqual([
    ["waiting", false],
    ["loading", false],
    ["replaying", true],
    ["in", true],
    ["leaving", true],
  ]);
});

test("a member has made progress when it joins, and whenever progress is recorded", () => {
  const member = new Member({} as ReadySession, "steady", 7);
  expect(member.progressMs).toBe(7);
  member.noteProgress(12);
  expect([member.progressMs, member.joinedMs]).toEqual([12, 7]);
});
