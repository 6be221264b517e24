import { expect, test } from "vitest";
import type { ReadySession } from "../connections/ready-session.ts";
import { weightsOf } from "./balance.ts";
import { Member } from "./members.ts";

test("one that claims to compute in no time gets a share that is a number, and the others get one too", () => {
  const members = ["a", "b"].map((name) => new Member({} as ReadySession, name, 0));
  members[0]!.measure(10, { tookMs: 100, computeMs: 1e-309 });
  members[1]!.measure(10, { tookMs: 100, computeMs: 80 });
  const weights = weightsOf(
    members.map(({ speed }) => speed),
    "speed",
  );
  for (const weight of weights) expect(Number.isFinite(weight) && weight > 0).toBe(true);
});
