/** Damages every byte of a cache's file on disk, truncates it, and shares it between two caches. */
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { defined, test as withFolder } from "@lockstep/testing";
import { expect } from "vitest";
import { RecordCache } from "./record-cache.ts";

const SLOT_BYTES = 3 + 4;
/** `path` is that of the cache's file, which does not exist yet. */
const test = withFolder.extend("path", ({ folder }) => join(folder, "records", "train.records"));

/** Returns the records 0 to 3 that a cache holds, and the indexes that it misses. */
function contentOf(cache: RecordCache) {
  const out = new Uint8Array(12);
  const missing = cache.read(Uint32Array.of(0, 1, 2, 3), out);
  return { missing, records: [...out] };
}

test("a record cache returns written records after a reopen, and reports missing ones", ({ path }) => {
  expect(contentOf(new RecordCache(path, 3))).toEqual({ missing: [0, 1, 2, 3], records: Array(12).fill(0) });
  new RecordCache(path, 3).write(Uint32Array.of(3, 1), Uint8Array.of(31, 32, 33, 11, 12, 13));
  // Records 0 and 2 are now holes of zeros in the file: the CRC-32 of three zeros is not 0.
  expect(contentOf(new RecordCache(path, 3))).toEqual({
    missing: [0, 2],
    records: [0, 0, 0, 11, 12, 13, 0, 0, 0, 31, 32, 33],
  });
});

test("a record cache reports positions in the indexes, not the indexes", ({ path }) => {
  const cache = new RecordCache(path, 3);
  cache.write(Uint32Array.of(7), Uint8Array.of(1, 2, 3));
  const out = new Uint8Array(9);
  expect(cache.read(Uint32Array.of(9, 7, 9), out)).toEqual([0, 2]);
  expect([...out]).toEqual([0, 0, 0, 1, 2, 3, 0, 0, 0]);
});

test("a record with any damaged byte is missing until it is written again", ({ path }) => {
  const cache = new RecordCache(path, 3);
  const indexes = Uint32Array.of(0, 1, 2, 3);
  const records = Uint8Array.from({ length: 12 }, (_, i) => i + 1);
  cache.write(indexes, records);
  const complete = readFileSync(path);
  for (let at = 0; at < complete.length; at++) {
    const damaged = Buffer.from(complete);
    damaged[at] = defined(damaged[at]) ^ 1;
    writeFileSync(path, damaged);
    expect(contentOf(cache).missing).toEqual([Math.floor(at / SLOT_BYTES)]);
  }
  cache.write(indexes, records);
  expect(contentOf(cache)).toEqual({ missing: [], records: [...records] });
});

test("a truncated record is missing", ({ path }) => {
  const cache = new RecordCache(path, 3);
  cache.write(Uint32Array.of(0, 1, 2, 3), new Uint8Array(12).fill(5));
  for (let bytes = 4 * SLOT_BYTES - 1; bytes >= 3 * SLOT_BYTES; bytes--) {
    truncateSync(path, bytes);
    expect(contentOf(cache).missing).toEqual([3]);
  }
});

test("several record caches share one file", ({ path }) => {
  const [one, other] = [new RecordCache(path, 3), new RecordCache(path, 3)];
  one.write(Uint32Array.of(0, 2), Uint8Array.of(1, 2, 3, 7, 8, 9));
  other.write(Uint32Array.of(2, 1), Uint8Array.of(7, 8, 9, 4, 5, 6));
  expect(contentOf(one)).toEqual({ missing: [3], records: [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0] });
  expect(contentOf(other)).toEqual(contentOf(one));
});

test("a record cache makes a deleted folder again", ({ path }) => {
  const cache = new RecordCache(path, 3);
  cache.write(Uint32Array.of(0), Uint8Array.of(1, 2, 3));
  rmSync(dirname(path), { recursive: true });
  expect(contentOf(cache).missing).toEqual([0, 1, 2, 3]);
});

test("the error for an unusable file gives the reason", ({ path }) => {
  mkdirSync(path, { recursive: true });
  expect(() => new RecordCache(path, 3)).toThrow(
    expect.objectContaining({
      code: "ERR_RECORD_CACHE",
      message: expect.stringMatching(/records in .*train\.records: EISDIR.*set LOCKSTEP_DATA to another folder\.$/),
    }),
  );
});
