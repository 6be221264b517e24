/** Checks that a worker is dropped for its own contributions, not for numbers that no worker finds finite. */
import { expect, test } from "vitest";
import { recordedMember } from "../testing/recorded-member.ts";
import { Violations } from "./violations.ts";

const NOT_FINITE = { code: "ERR_NOT_FINITE" as const, reason: "Expected finite numbers, got NaN or infinity." };

/** Returns violations that record their log lines and the workers that they drop. */
function recordedViolations() {
  const lines: string[] = [];
  const dropped: string[] = [];
  const violations = new Violations({
    log: (line) => lines.push(line),
    drop: ({ name }, code, reason) => dropped.push(`${name} ${code}: ${reason}`),
  });
  return { lines, dropped, violations };
}

test("a worker is dropped for its third refused contribution, with its reason, whatever others do", () => {
  const { lines, dropped, violations } = recordedViolations();
  const [{ member: a }, { member: b }] = [recordedMember(0), recordedMember(1)];
  for (const member of [a, b, a]) violations.refused(member, { reason: "too short" });
  expect(dropped).toEqual([]);
  violations.refused(a, { reason: "too long" });
  expect(dropped).toEqual(["w0 ERR_STRIKES: 3 of its contributions were refused; reason for the last one: too long"]);
  expect(lines.at(-1)).toBe("a contribution of w0 was refused: too long");
});

test("a contribution that is not finite counts against its worker only once another worker's is finite", () => {
  const { lines, dropped, violations } = recordedViolations();
  const { member } = recordedMember(0);
  for (let refused = 0; refused < 9; refused++) violations.refused(member, NOT_FINITE);
  expect(lines).toHaveLength(9);
  expect(dropped).toEqual([]);
  for (let found = 0; found < 3; found++) violations.refutedNonFinite(member);
  expect(dropped).toHaveLength(1);
});
