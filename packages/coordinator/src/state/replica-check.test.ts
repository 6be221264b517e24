/** Checks the verdict on digests alone, without connections: majorities, ties and different devices. */
import { expect, test } from "vitest";
import { recordedMember } from "../testing/recorded-member.ts";
import { judgeReplicas } from "./replica-check.ts";

/** Judges replicas, written in the order of joining as device and digest: "cpu a". */
function verdict(...replicas: string[]) {
  const members = replicas.map((replica, id) => {
    const [backend, digest] = replica.split(" ") as [string, string];
    return { member: recordedMember(id, { backend }).member, digest };
  });
  const { reference, wrong, drifted } = judgeReplicas(members);
  return { reference: reference?.id, wrong: wrong.map(({ id }) => id), drifted: drifted.map(({ id }) => id) };
}

test("replicas with equal digests on equal devices have no faults", () => {
  expect(verdict("cpu a", "cpu a", "cpu a")).toEqual({ reference: 0, wrong: [], drifted: [] });
  expect(verdict("cpu a")).toEqual({ reference: 0, wrong: [], drifted: [] });
});

test("the majority of the replicas on equal devices is right, in any order of joining", () => {
  expect(verdict("cpu b", "cpu a", "cpu a")).toEqual({ reference: 1, wrong: [0], drifted: [] });
  expect(verdict("cpu b", "cpu a", "cpu c", "cpu a")).toEqual({ reference: 1, wrong: [0, 2], drifted: [] });
});

test("in a tie between replicas on equal devices, those that joined first are right", () => {
  expect(verdict("cpu b", "cpu a")).toEqual({ reference: 0, wrong: [1], drifted: [] });
  expect(verdict("cpu b", "cpu a", "cpu a", "cpu b")).toEqual({ reference: 0, wrong: [1, 2], drifted: [] });
});

test("the largest group of equal devices is the reference, and the replicas on other devices have drifted", () => {
  expect(verdict("gpu b", "cpu a", "cpu a")).toEqual({ reference: 1, wrong: [], drifted: [0] });
  expect(verdict("gpu b", "gpu b", "cpu a", "gpu b")).toEqual({ reference: 0, wrong: [], drifted: [2] });
  expect(verdict("gpu b", "cpu a")).toEqual({ reference: 0, wrong: [], drifted: [1] });
});

test("replicas with equal digests on different devices have no faults", () => {
  expect(verdict("gpu a", "cpu a", "wasm a")).toEqual({ reference: 0, wrong: [], drifted: [] });
});

test("a replica is wrong if it differs from those on equal devices, not from those on other devices", () => {
  const result = verdict("gpu b", "cpu a", "cpu x", "cpu a", "gpu b", "gpu c");
  expect(result).toEqual({ reference: 0, wrong: [5, 2], drifted: [1, 3] });
});

test.each([{ backend: "wasm" }, { libraryVersion: "3" }, { instructionSet: "SSE" }, { threads: 1 }, { gpu: "G" }])(
  "devices that differ in %o are not equal",
  (change) => {
    const members = [recordedMember(0).member, recordedMember(1, change).member];
    const { wrong, drifted } = judgeReplicas(members.map((member, id) => ({ member, digest: `${id}` })));
    expect([wrong, drifted]).toEqual([[], [members[1]]]);
  },
);

test("devices that differ only in their names are equal", () => {
  const members = [recordedMember(0).member, recordedMember(1, { device: "another" }).member];
  const { wrong } = judgeReplicas(members.map((member, id) => ({ member, digest: `${id}` })));
  expect(wrong).toEqual([members[1]]);
});

test("a check of no replicas has no reference and no faults", () => {
  expect(verdict()).toEqual({ reference: undefined, wrong: [], drifted: [] });
});
