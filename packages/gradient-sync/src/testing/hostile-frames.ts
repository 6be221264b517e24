/**
 * For tests: hostile frames, derived from honest ones. Bytes are cut, flipped and mixed, fields get values of other
 * types and sizes, headers claim lengths that never arrive. A seeded generator makes them reproducible.
 */
import { at } from "@lockstep/errors";
import { Packr } from "msgpackr";
import { MAX_MESSAGE_BYTES } from "../protocol/limits.ts";

/** Returns a random number in [0, 1). */
export type Random = () => number;

const packr = new Packr({ useRecords: false });
const pack = (value: unknown) => Buffer.from(packr.pack(value));
const below = (random: Random, end: number) => Math.floor(random() * end);
/** Returns a random item. */
export const pick = <Item>(random: Random, items: readonly Item[]): Item => at(items, below(random, items.length));
/**
 * Returns the header of a value with a four-byte length: 0xdd array, 0xdf map, 0xdb string, 0xc6 bytes, 0xc9 extension.
 */
const header = (type: number, length: number) => Buffer.of(type, length >>> 24, length >>> 16, length >>> 8, length);

/** Packed values that replace expected ones. */
const VALUES: readonly Buffer[] = [
  ...[-1, 0, 1, 7, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e308, 0.5, -0, Number.NaN].map(pack),
  ...[Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, null, true, "", "toString", [], {}, [[[]]]].map(pack),
  ...[Buffer.alloc(0), Buffer.alloc(3), Buffer.alloc(8, 0xff)].map(pack),
  Buffer.from("cfffffffffffffffff", "hex"), // 2⁶⁴ − 1
  Buffer.from("d38000000000000000", "hex"), // −2⁶³
  ...[0xdd, 0xdf, 0xdb, 0xc6, 0xc9].map((type) => header(type, 2 ** 32 - 1)),
  ...["c1", "d40000", "d6ff00000001", "d7690000000092c0c0", "d670000000009", "d4724091a16101", "c70378920102"].map(
    (hex) => Buffer.from(hex, "hex"),
  ),
  Buffer.concat([Buffer.of(0x81), pack("__proto__"), pack({ type: "finished", isAdmin: true })]),
  pack({ constructor: { prototype: { polluted: true } } }),
  Buffer.concat([Buffer.alloc(10_000, 0x91), Buffer.of(1)]),
];
/** Large packed values. */
const LARGE: readonly Buffer[] = [
  Buffer.concat([header(0xdd, 1_000_000), Buffer.alloc(1_000_000, 1)]),
  Buffer.concat([header(0xdd, 1_000_000), Buffer.alloc(1_000_000, 0x80)]),
  Buffer.concat([header(0xdb, 1_000_000), Buffer.alloc(1_000_000, 0x61)]),
  Buffer.concat([header(0xdb, MAX_MESSAGE_BYTES), Buffer.alloc(MAX_MESSAGE_BYTES, 0x61)]),
];
const KEYS = ["__proto__", "constructor", "prototype", "toString", "type", "data", "step", ""];

type Mutation = (random: Random, frame: Buffer, recorded: readonly Buffer[]) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  (random) => randomBytes(random, below(random, random() < 0.01 ? 70_000 : 200)),
  (random, frame) => frame.subarray(0, below(random, frame.length)),
  flipped,
  flipped,
  (random, frame) => {
    const cut = below(random, frame.length + 1);
    return Buffer.concat([frame.subarray(0, cut), randomBytes(random, 1 + below(random, 8)), frame.subarray(cut)]);
  },
  (random, frame, recorded) => {
    const other = pick(random, recorded);
    return Buffer.concat([frame.subarray(0, below(random, frame.length)), other.subarray(below(random, other.length))]);
  },
  (_, frame) => Buffer.concat([frame, frame]),
  withOtherValue,
  withOtherValue,
  withOtherValue,
  withOtherKeys,
];

/**
 * Returns a mutation of an honest frame, which may still be valid by chance.
 *
 * @param recorded other honest frames, at least one
 */
export function hostileFrame(random: Random, frame: Buffer, recorded: readonly Buffer[]): Buffer {
  return pick(random, MUTATIONS)(random, frame, recorded);
}

/** Replaces one number of a message by another that might be valid elsewhere. */
export function relabelled(random: Random, frame: Buffer): Buffer {
  const message = packr.unpack(frame) as Record<string, unknown>;
  const numbers = Object.keys(message).filter((key) => typeof message[key] === "number");
  if (numbers.length === 0) return frame;
  const key = pick(random, numbers);
  const value = message[key] as number;
  const other = pick(random, [value + 1, value - 1, value + 2, 0, 1, 2 * value]);
  return pack({ ...message, [key]: Math.max(0, other) });
}

function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => below(random, 256)));
}

function flipped(random: Random, frame: Buffer): Buffer {
  const copy = Buffer.from(frame);
  for (let flips = 1 + below(random, 4); flips > 0 && copy.length > 0; flips--) {
    const index = below(random, copy.length);
    copy[index] = at(copy, index) ^ (1 << below(random, 8));
  }
  return copy;
}

/** Replaces one value of a message at any depth. */
function withOtherValue(random: Random, frame: Buffer): Buffer {
  const value = pick(random, random() < 0.005 ? LARGE : VALUES);
  return rebuilt(packr.unpack(frame), { valuesBefore: 1 + below(random, 16) }, value);
}

/** Removes, duplicates or renames an entry of a message. */
function withOtherKeys(random: Random, frame: Buffer): Buffer {
  const entries = Object.entries(packr.unpack(frame) as object).map(([key, value]) => [key, pack(value)] as const);
  const index = below(random, entries.length);
  const [key, value] = at(entries, index);
  const changed = pick(random, [
    entries.toSpliced(index, 1),
    entries.toSpliced(index, 1, [pick(random, KEYS), value]),
    [...entries, [key, pick(random, VALUES)] as const],
    [...entries, [pick(random, KEYS), pick(random, VALUES)] as const],
  ]);
  return mapOf(changed);
}

function rebuilt(value: unknown, place: { valuesBefore: number }, replacement: Buffer): Buffer {
  if (place.valuesBefore-- === 0) return replacement;
  if (Array.isArray(value)) {
    return Buffer.concat([header(0xdd, value.length), ...value.map((item) => rebuilt(item, place, replacement))]);
  }
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return pack(value);
  return mapOf(Object.entries(value).map(([key, item]) => [key, rebuilt(item, place, replacement)]));
}

function mapOf(entries: readonly (readonly [key: string, value: Buffer])[]): Buffer {
  return Buffer.concat([header(0xdf, entries.length), ...entries.flatMap(([key, value]) => [pack(key), value])]);
}
