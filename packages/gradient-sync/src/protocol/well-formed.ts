/**
 * Checks the structure of a message before it is unpacked: it must be complete, plain MessagePack, of limited depth and
 * with a limited number of values. Otherwise a few hundred bytes could take minutes or gigabytes to unpack: extension
 * types refer back to other values, headers claim lengths that never arrive, and every byte can be an empty map.
 */
// biome-ignore-all lint/style/noNonNullAssertion: indexes stay within bounds, and this runs for every value received
import { MAX_MESSAGE_DEPTH, MAX_MESSAGE_ENTRIES, MAX_MESSAGE_VALUES } from "./limits.ts";

/** The format of a value, which its first byte determines. */
interface Format {
  /** Number of length bytes that follow. */
  lengthBytes: number;
  /** The length, if the first byte contains it. */
  length: number;
  /** Values per unit of length: 0 if the length counts bytes, 1 for arrays, 2 for maps. */
  values: 0 | 1 | 2;
}

/** Returns a description of what is wrong with the bytes, or undefined if they are well-formed. */
export function malformation(bytes: Uint8Array): string | undefined {
  /** Number of values that are still missing, for each array and map around the next value. */
  const remaining = [1];
  let at = 0;
  let [seen, entries] = [0, 0];
  while (remaining.length > 0) {
    if (remaining.at(-1) === 0) {
      remaining.pop();
      continue;
    }
    remaining[remaining.length - 1]!--;
    if (++seen > MAX_MESSAGE_VALUES) return `more than ${MAX_MESSAGE_VALUES} values`;
    if (at >= bytes.length) return `${bytes.length} bytes that end too early`;
    const format = FORMAT_OF_BYTE[bytes[at]!];
    if (format === undefined) return `a value of the forbidden type 0x${bytes[at]!.toString(16)}`;
    at++;
    let { length } = format;
    for (let i = 0; i < format.lengthBytes; i++) length = length * 256 + (bytes[at++] ?? 0);
    if (length * Math.max(1, format.values) > bytes.length - at) return `${bytes.length} bytes that end too early`;
    if (format.values === 2) entries += 1 + length;
    if (entries > MAX_MESSAGE_ENTRIES) return `more than ${MAX_MESSAGE_ENTRIES} maps and entries of maps`;
    if (format.values === 0) at += length;
    else if (remaining.push(length * format.values) > MAX_MESSAGE_DEPTH) return `more than ${MAX_MESSAGE_DEPTH} levels`;
  }
  return at === bytes.length ? undefined : `${bytes.length - at} bytes after its end`;
}

const FORMAT_OF_BYTE = Array.from({ length: 256 }, (_, byte) => formatOf(byte));

/** Returns the format of a value by its first byte, or undefined for extension types and the unused byte 0xc1. */
function formatOf(byte: number): Format | undefined {
  const fixed = (length: number, values: Format["values"] = 0) => ({ lengthBytes: 0, length, values });
  const counted = (lengthBytes: number, values: Format["values"] = 0) => ({ lengthBytes, length: 0, values });
  if (byte < 0x80 || byte >= 0xe0) return fixed(0); // small integers
  if (byte < 0x90) return fixed(byte & 0x0f, 2); // small maps
  if (byte < 0xa0) return fixed(byte & 0x0f, 1); // small arrays
  if (byte < 0xc0) return fixed(byte & 0x1f); // short strings
  if (byte === 0xc0 || byte === 0xc2 || byte === 0xc3) return fixed(0); // nil, false, true
  if (byte >= 0xc4 && byte <= 0xc6) return counted(2 ** (byte - 0xc4)); // bytes
  if (byte === 0xca || byte === 0xcb) return fixed(2 ** (byte - 0xc8)); // floats of 4 and 8 bytes
  if (byte >= 0xcc && byte <= 0xcf) return fixed(2 ** (byte - 0xcc)); // unsigned integers
  if (byte >= 0xd0 && byte <= 0xd3) return fixed(2 ** (byte - 0xd0)); // integers
  if (byte >= 0xd9 && byte <= 0xdb) return counted(2 ** (byte - 0xd9)); // strings
  if (byte === 0xdc || byte === 0xdd) return counted(2 ** (byte - 0xdb), 1); // arrays
  if (byte === 0xde || byte === 0xdf) return counted(2 ** (byte - 0xdd), 2); // maps
  return undefined;
}
