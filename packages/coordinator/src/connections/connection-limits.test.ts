/** Checks each time limit of a connection at its last allowed millisecond and one later. */
import { expect, test } from "vitest";
import { type ConnectionTimes, overdue } from "./connection-limits.ts";

const LIMITS = { heartbeatMs: 1000, stallMs: 60_000 };
const codeAt = (times: Partial<ConnectionTimes>, limits = LIMITS) =>
  overdue({ unreadMs: 0, silentMs: 0, joiningMs: undefined, ...times }, limits)?.code;

test("a worker that reads nothing is overdue after the limit, whether it has joined or not", () => {
  for (const joiningMs of [undefined, 0]) {
    expect(codeAt({ unreadMs: 60_000, joiningMs })).toBe(undefined);
    expect(codeAt({ unreadMs: 60_001, joiningMs })).toBe("ERR_SLOW_READER");
  }
});

test("a worker that joins is overdue after 10 s of silence, or after three heartbeats if they take longer", () => {
  expect(codeAt({ joiningMs: 0, silentMs: 10_000 })).toBe(undefined);
  expect(codeAt({ joiningMs: 0, silentMs: 10_001 })).toBe("ERR_SILENT");
  const slowly = { ...LIMITS, heartbeatMs: 5000 };
  expect(codeAt({ joiningMs: 0, silentMs: 15_000 }, slowly)).toBe(undefined);
  expect(codeAt({ joiningMs: 0, silentMs: 15_001 }, slowly)).toBe("ERR_SILENT");
});

test("a worker that is not ready in ten minutes is overdue, even if it sends heartbeats", () => {
  expect(codeAt({ joiningMs: 600_000 })).toBe(undefined);
  expect(codeAt({ joiningMs: 600_001 })).toBe("ERR_HANDSHAKE");
});

test("the silence of a worker that has joined is left to the team", () => {
  expect(codeAt({ silentMs: 1e9 })).toBe(undefined);
});
