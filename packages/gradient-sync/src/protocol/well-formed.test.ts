/** Checks bytes that are cheap to send and dear to decode, within a bound on the CPU time. */
import fc from "fast-check";
import { Packr } from "msgpackr";
import { expect, test } from "vitest";
import { decodeFromCoordinator, decodeFromWorker, encode } from "./codec.ts";
import { MAX_MESSAGE_DEPTH, MAX_MESSAGE_ENTRIES, MAX_MESSAGE_VALUES } from "./limits.ts";
import type { CoordinatorMessage } from "./messages.ts";
import { malformation } from "./well-formed.ts";

const pack = (value: unknown) => new Packr({ useRecords: false }).pack(value);
const bytes = (...parts: (number | number[] | Uint8Array | string)[]) =>
  Buffer.concat(
    parts.map((part) => (typeof part === "number" ? Buffer.of(part) : Buffer.from(part as string, "latin1"))),
  );
/** The header of an array (0xdd), map (0xdf), string (0xdb), of bytes (0xc6) or of an extension type (0xc9). */
const header = (type: number, length: number) => bytes(type, [length >>> 24, length >>> 16, length >>> 8, length]);
const nested = (depth: number) => bytes(new Uint8Array(depth).fill(0x91), 1);

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof(
      fc.integer(),
      fc.double(),
      fc.string(),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array({ maxLength: 300 }),
    ),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(fc.string({ maxLength: 40 }), tie("value"), { maxKeys: 20 }),
  ),
})).value;

test("packed plain values are well-formed, but not with a byte missing or added", () => {
  fc.assert(
    fc.property(plain, (value) => {
      const message = pack(value);
      expect(malformation(message)).toBeUndefined();
      expect(malformation(message.subarray(0, -1))).toContain("end too early");
      expect(malformation(bytes(message, 0xc0))).toBe("1 bytes after its end");
    }),
  );
});

test("a message is well-formed only within the limits of depth, entries and values", () => {
  expect(malformation(nested(MAX_MESSAGE_DEPTH - 1))).toBeUndefined();
  expect(malformation(nested(MAX_MESSAGE_DEPTH))).toContain("levels");
  const emptyMaps = (count: number) => bytes(header(0xdd, count), new Uint8Array(count).fill(0x80));
  expect(malformation(emptyMaps(MAX_MESSAGE_ENTRIES))).toBeUndefined();
  expect(malformation(emptyMaps(MAX_MESSAGE_ENTRIES + 1))).toContain("entries of maps");
  const ones = (count: number) => bytes(header(0xdd, count), new Uint8Array(count).fill(1));
  expect(malformation(ones(MAX_MESSAGE_VALUES - 1))).toBeUndefined();
  expect(malformation(ones(MAX_MESSAGE_VALUES))).toContain("values");
});

const reference = (type: number, id: number) => [0xd6, type, 0, 0, 0, id];
/** Each array has the one before it twice: 2⁴⁰ elements, if one went through them all, as a text of it would. */
const doublings = Array.from({ length: 40 }, (_, i) => [
  ...reference(0x69, i + 1),
  0x92,
  ...reference(0x70, i),
  ...reference(0x70, i),
]);
test.each<[string, Uint8Array]>([
  ["nothing", bytes()],
  ["the byte without meaning", bytes(0xc1)],
  ["2³² − 1 elements that never come", bytes(header(0xdd, 2 ** 32 - 1), 1, 2, 3)],
  ["2³² − 1 entries that never come", bytes(header(0xdf, 2 ** 32 - 1), "\xa1a", 1)],
  ["2³² − 1 bytes that never come", bytes(header(0xc6, 2 ** 32 - 1), 1, 2, 3)],
  ["a length that is cut", bytes(0xdb, 0, 0)],
  ["10,000 levels", nested(10_000)],
  ["4 MiB of levels", new Uint8Array(4 * 2 ** 20).fill(0x91)],
  ["values that refer to values", bytes([0xdc, 0, 41], reference(0x69, 0), 0x90, ...doublings, 1)],
  ["a number of half a million bytes", bytes(header(0xc9, 500_000), 0x42, new Uint8Array(500_000).fill(0x7f), 1)],
  ["a regular expression", bytes(0xc7, 0, 0x78, 0x92, "\xa1a", 0xa0)],
  ["a record definition", bytes(0xd4, 0x72, 0x40, 0x91, "\xa1a", 1)],
  ["a date", bytes(0xd6, 0xff, [0, 0, 0, 1])],
])("both ends reject %s quickly", (_, message) => {
  expect(malformation(message)).toBeDefined();
  for (const decode of [decodeFromWorker, decodeFromCoordinator]) {
    const cpuMs = cpuMsOf(() =>
      expect(() => decode(message)).toThrow(/Expected a message of plain MessagePack from .+, got /),
    );
    expect(cpuMs).toBeLessThan(1000);
  }
});

test("a field that is undefined is not sent, and nothing is sent in its place", () => {
  const welcome = { type: "welcome", workerId: 0, heartbeatMs: 1, run: "r", codeModel: false, spec: { a: undefined } };
  const message = encode({ ...welcome, config: { lr: 0.1, dataDir: undefined } } as CoordinatorMessage);
  expect(decodeFromCoordinator(message)).toEqual({ ...welcome, config: { lr: 0.1 }, spec: {} });
});

test.each<[string, unknown]>([
  ["its code could not close a WebSocket", { type: "failed", code: `ERR_${"X".repeat(200)}`, reason: "" }],
  ["a part of its time is named by the worker", { ...contribution(), ms: { constructor: 1 } }],
  ["its time is negative", { ...contribution(), ms: { forward: -1 } }],
  ["its confusion matrix holds a million wrong things", { ...evaluation(), confusion: matrix(1000, null) }],
  ["it has more classes than there may be", { ...evaluation(), confusion: matrix(1001, 0) }],
  ["its keys are maps", new Map([[new Map([["type", "heartbeat"]]), 1]])],
])("a worker's message is refused if %s", (_, value) => {
  const message = pack(value);
  const cpuMs = cpuMsOf(() =>
    expect(() => decodeFromWorker(message)).toThrow(expect.objectContaining({ code: "ERR_MESSAGE" })),
  );
  expect(cpuMs).toBeLessThan(1000);
});

/** Returns the CPU time of a function in milliseconds, which other processes on the machine do not extend. */
function cpuMsOf(run: () => void): number {
  const start = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

function contribution() {
  const label = { step: 0, subtree: 0, attempt: 0 };
  return { type: "contribution", ...label, samples: 1, lossSum: 1, correct: 0, ms: {}, io: {}, doneMs: 0 };
}

function evaluation() {
  return { type: "evaluation", request: 0, samples: 1, lossSum: 1 };
}

function matrix(classes: number, value: unknown): unknown[][] {
  return Array.from({ length: classes }, () => new Array<unknown>(classes).fill(value));
}
