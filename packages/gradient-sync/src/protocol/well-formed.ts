/**
 * Checks what a message looks like before anything of it is unpacked: it must be plain MessagePack, whole, neither deep
 * nor of very many values. Else a few hundred bytes could take minutes, or gigabytes: extension types refer back to
 * other values, headers claim what never comes, and each byte of a message may be an empty map.
 */
import { MAX_MESSAGE_DEPTH, MAX_MESSAGE_ENTRIES, MAX_MESSAGE_VALUES } from "./limits.ts";

/** What a value's first byte says of it. */
interface Format {
  /** How many bytes of length come next. */
  lengthBytes: number;
  /** The length, if the byte has it in itself. */
  length: number;
  /** What the length counts: bytes, or so many values each. */
  values: 0 | 1 | 2;
}

/** Returns what is wrong with the bytes, if something is. */
export function malformation(bytes: Uint8Array): string | undefined {
  /** How many values each array and map around the next value lacks. */
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
    if (format === undefined) return `a value of type 0x${bytes[at]!.toString(16)}, which none may have`;
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

/** Returns the format of a value, or undefined for extension types and the byte that has no meaning. */
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
