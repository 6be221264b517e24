/** Messages that were made by hand, to do harm. */

import { spawnSync } from "node:child_process";
import { LockstepError } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import { Packr } from "msgpackr";
import { expect, test } from "vitest";
import { decodeFromCoordinator, decodeFromWorker, encode } from "./codec.ts";
import { MAX_MESSAGE_BYTES } from "./limits.ts";

const packr = new Packr({ useRecords: false });
/** Bytes as they are, and anything else packed. */
const bytesOf = (...parts: unknown[]): Buffer =>
  Buffer.concat(parts.map((part) => (part instanceof Uint8Array ? part : packr.pack(part).slice())));
const head = (token: number, length: number) => Buffer.of(token, length >>> 24, length >>> 16, length >>> 8, length);
const array = (length: number) => head(0xdd, length);
const map = (length: number) => head(0xdf, length);
/** A message up to its last field, whose value is yet to come. */
const upTo = (field: string, others: object): Buffer =>
  bytesOf(map(Object.keys(others).length + 1), ...Object.entries(others).flat(), field);

const evaluation = { type: "evaluation", request: 1, samples: 3, lossSum: 2 };
const contribution = {
  type: "contribution",
  step: 1,
  subtree: 0,
  attempt: 0,
  samples: 1,
  lossSum: 1,
  correct: 0,
  io: {},
  doneMs: 0,
};
const welcome = { type: "welcome", workerId: 0, heartbeatMs: 1, run: "r", codeModel: false };

function errorOf(decode: () => unknown): LockstepError {
  try {
    decode();
  } catch (error) {
    expect(error).toBeInstanceOf(LockstepError);
    return error as LockstepError;
  }
  throw new Error("Expected the message to be refused.");
}

/** The largest length that a message can claim. */
const most = 2 ** 32 - 1;
test.each([
  ["an array", array(most)],
  ["a map", map(most)],
  ["a string", head(0xdb, most)],
  ["bytes", head(0xc6, most)],
  ["an extension", bytesOf(head(0xc9, most), Buffer.of(0x42))],
])("the decoder refuses %s that claims 2³² − 1 elements, wherever it is", (_, claim) => {
  for (const bytes of [claim, bytesOf(upTo("confusion", evaluation), claim), bytesOf(array(2), claim, claim)]) {
    expect(errorOf(() => decodeFromWorker(bytes)).message).toMatch(/bytes that end too early|of the forbidden type/);
  }
  const unchecked = bytesOf(upTo("spec", { ...welcome, config: {} }), claim);
  expect(errorOf(() => decodeFromCoordinator(unchecked)).code).toBe("ERR_MESSAGE");
});

test.each([
  ["arrays", Buffer.of(0x91)],
  ["long arrays", Buffer.of(0x9f)],
  ["maps", Buffer.of(0x81, 0xa1, 0x61)],
  ["extensions", Buffer.of(0xd4, 0x73, 0)],
])("the decoder refuses %s nested as deeply as a message allows, and then decodes the next message", (_, level) => {
  const nested = Buffer.alloc(MAX_MESSAGE_BYTES - 200, level);
  for (const bytes of [nested, bytesOf(upTo("spec", { ...welcome, config: {} }), nested)]) {
    expect(errorOf(() => decodeFromWorker(bytes)).code).toBe("ERR_MESSAGE");
    expect(errorOf(() => decodeFromCoordinator(bytes)).code).toBe("ERR_MESSAGE");
  }
  expect(decodeFromWorker(encode({ type: "heartbeat" }))).toEqual({ type: "heartbeat" });
});

test.each(["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "toJSON", "then"])(
  "the key %s is a key like any other",
  (key) => {
    const hostile = bytesOf(map(1), key, { polluted: true });
    expect(() => decodeFromWorker(bytesOf(map(2), "type", "heartbeat", key, { polluted: true }))).toThrow("is invalid");
    expect(() => decodeFromWorker(bytesOf(map(1), "type", key))).toThrow("is invalid");
    expect(() => decodeFromWorker(bytesOf(upTo("ms", contribution), hostile))).toThrow("is invalid");
    const message = decodeFromCoordinator(bytesOf(upTo("config", welcome), hostile));
    if (message.type !== "welcome") throw new Error("Expected a welcome.");
    expect(Object.getPrototypeOf(message.config)).toBe(Object.prototype);
    expect(message.config["polluted"]).toBeUndefined();
    expect(Reflect.get({}, "polluted")).toBeUndefined();
  },
);

test("the decoder refuses keys that are not strings", () => {
  for (const key of [1, null, [1], { a: 1 }, Uint8Array.of(1)]) {
    const packedKey = packr.pack(key).slice();
    expect(() => decodeFromWorker(bytesOf(map(2), "type", "heartbeat", packedKey, 1))).toThrow(LockstepError);
  }
});

test.each([
  ["a big integer", 0x42, [1]],
  ["a bundle of strings", 0x62, [0, 0, 0, 5], null, "", ""],
  ["an error", 0x65, [0], ["Error", "x"]],
  ["an object with an id", 0x69, [0, 0, 0, 1], {}],
  ["a set", 0x73, [0], [1]],
  ["a typed array", 0x74, [7, 0, 0, 128, 63]],
  ["a regular expression", 0x78, [0], ["x", ""]],
  ["a time", 0xff, [0, 0, 0, 1]],
])("the decoder refuses %s: no message has one, and some cost more than their bytes", (_, type, content, ...rest) => {
  const value = bytesOf(Buffer.of(0xc7, content.length, type, ...content), ...rest);
  const bytes = bytesOf(upTo("spec", { ...welcome, config: {} }), value);
  expect(errorOf(() => decodeFromCoordinator(bytes)).code).toBe("ERR_MESSAGE");
});

test("the decoder refuses a value that refers to another one, which could stand for any number of bytes", () => {
  const row = bytesOf(Buffer.of(0xd6, 0x69, 0, 0, 0, 1), array(2), 1, 2);
  const same = Buffer.of(0xd6, 0x70, 0, 0, 0, 1);
  const bytes = bytesOf(upTo("confusion", evaluation), array(2), row, same);
  expect(errorOf(() => decodeFromWorker(bytes)).code).toBe("ERR_MESSAGE");
  const inItself = bytesOf(upTo("spec", { ...welcome, config: {} }), Buffer.of(0xd6, 0x69, 0, 0, 0, 1), array(1), same);
  expect(errorOf(() => decodeFromCoordinator(inItself)).code).toBe("ERR_MESSAGE");
});

test.each([
  ["a long key", bytesOf(map(2), "type", "heartbeat", "k".repeat(100_000), 1)],
  [
    "many keys",
    bytesOf(map(10_001), "type", "heartbeat", ...Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i]).flat()),
  ],
  ["a key that rewrites the terminal", bytesOf(map(2), "type", "heartbeat", "\u001b[2J\u009b31m", 1)],
  ["a long name", bytesOf(upTo("ms", contribution), map(1), "k".repeat(4096), null)],
])("the decoder's error for %s can be printed and sent back", (_, bytes) => {
  const { code, message: reason } = errorOf(() => decodeFromWorker(bytes));
  const refusal = { type: "refused" as const, code, reason };
  expect(decodeFromCoordinator(encode(refusal))).toEqual(refusal);
});

/** Fills a message up to its maximum length with an array of one element. */
const fill = (start: Buffer, element: Buffer, most = Number.POSITIVE_INFINITY): Buffer => {
  const length = Math.min(most, Math.floor((MAX_MESSAGE_BYTES - start.length - 5) / element.length));
  return bytesOf(start, array(length), Buffer.alloc(length * element.length, element));
};
const row = bytesOf(array(1000), Buffer.alloc(1000, 0xc0));
/** A message with as many fields as fit, each with a name and no content. */
const fields = Buffer.concat(
  Array.from({ length: 500_000 }, (_, i) => Buffer.from(`\xa6${String(i).padStart(6, "0")}\xc0`, "latin1")),
);
const manyFields = bytesOf(map(500_000), fields);
const messages: Record<string, Buffer> = {
  "claims of long arrays in each other": Buffer.alloc(MAX_MESSAGE_BYTES - 4, array(1_000_000)),
  "rows of nothing": fill(upTo("confusion", evaluation), row, 4096),
  "nothing instead of names": fill(upTo("classes", { type: "ready" }), Buffer.of(0xc0), 100_000),
  "measurements of nothing": bytesOf(upTo("ms", contribution), manyFields),
  "fields that nobody knows": manyFields,
  "a row that many refer to": bytesOf(
    ...[upTo("confusion", evaluation), array(4096), Buffer.of(0xd6, 0x69, 0, 0, 0, 1), array(4096)],
    ...[Buffer.alloc(4096, 0xc0), Buffer.alloc(6 * 4095, Buffer.of(0xd6, 0x70, 0, 0, 0, 1))],
  ),
};

test.each(Object.keys(messages))("a message as long as any may be is refused with little memory: %s", (name) => {
  const bytes = defined(messages[name]);
  expect(bytes.length).toBeLessThanOrEqual(MAX_MESSAGE_BYTES);
  const program = `
    const { decodeFromWorker } = await import(${JSON.stringify(new URL("codec.ts", import.meta.url).href)});
    const { readFileSync } = await import("node:fs");
    const bytes = readFileSync(0);
    try { decodeFromWorker(bytes); } catch ({ code }) { console.log(code); }`;
  const node = ["--max-old-space-size=200", "--import", "tsx", "--conditions=lockstep-source"];
  const { stdout } = spawnSync(process.execPath, [...node, "--input-type=module", "--eval", program], {
    input: bytes,
    encoding: "utf8",
    timeout: 60_000,
    cwd: import.meta.dirname,
  });
  expect(stdout).toBe("ERR_MESSAGE\n");
});
