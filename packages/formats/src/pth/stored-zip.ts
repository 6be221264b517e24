/**
 * Builds zip archives whose entries are stored uncompressed, without copying the entries' bytes.
 *
 * Source: PKWARE's APPNOTE.TXT 6.3.3, sections 4.3.7 (local header), 4.3.12 (central directory) and 4.3.16 (its end).
 */
import { crc32 } from "node:zlib";
import { LockstepError } from "@lockstep/errors";

/** A file in an archive. */
export interface ZipEntry {
  name: string;
  data: Uint8Array;
}

/** The limit of zips without the 64-bit extension. */
const MAX_BYTES = 0xffffffff;
/** 1 January 1980, the first date of the zip format. A fixed date makes equal entries yield equal files. */
const DATE = (1 << 5) | 1;
const VERSION = 20;
const UTF8_NAMES = 1 << 11;

/**
 * Returns the archive as chunks to be written in order.
 *
 * @param alignBytes each entry's data starts at a multiple of this
 * @throws LockstepError ERR_ZIP_TOO_LARGE beyond 4 GiB
 */
export function storedZip(entries: readonly ZipEntry[], alignBytes: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const { name, data } of entries) {
    const shared = sharedFields(data, Buffer.byteLength(name));
    const padding = paddingField(-(offset + 30 + Buffer.byteLength(name)), alignBytes);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), shared, u16(padding.length), Buffer.from(name), padding]);
    directory.push(directoryEntry(shared, name, offset));
    chunks.push(local, data);
    offset += local.length + data.length;
    if (offset > MAX_BYTES) throw tooLarge(entries);
  }
  return [...chunks, ...directory, directoryEnd(directory, offset)];
}

/** Encodes the fields shared by local header and directory: version, flags, method, time, CRC, sizes, name length. */
function sharedFields(data: Uint8Array, nameBytes: number): Buffer {
  const bytes = u32(data.length);
  return Buffer.concat([u16(VERSION, UTF8_NAMES, 0, 0, DATE), u32(crc32(data)), bytes, bytes, u16(nameBytes)]);
}

/** Encodes an extra field ("FB", as in PyTorch's files) whose length is `bytes` modulo `alignBytes`, and at least 4. */
function paddingField(bytes: number, alignBytes: number): Buffer {
  const length = 4 + ((((bytes - 4) % alignBytes) + alignBytes) % alignBytes);
  return Buffer.concat([Buffer.from("FB"), u16(length - 4), Buffer.alloc(length - 4)]);
}

function directoryEntry(shared: Buffer, name: string, offset: number): Buffer {
  const extraCommentDiskAttributes = [u16(0, 0, 0, 0), u32(0)];
  const fields = [u16(VERSION), shared, ...extraCommentDiskAttributes, u32(offset), Buffer.from(name)];
  return Buffer.concat([Buffer.from("PK\x01\x02"), ...fields]);
}

function directoryEnd(directory: readonly Uint8Array[], offset: number): Buffer {
  const bytes = directory.reduce((sum, entry) => sum + entry.length, 0);
  const count = directory.length;
  return Buffer.concat([Buffer.from("PK\x05\x06"), u16(0, 0, count, count), u32(bytes), u32(offset), u16(0)]);
}

function tooLarge(entries: readonly ZipEntry[]): LockstepError {
  const bytes = entries.reduce((sum, { data }) => sum + data.length, 0);
  return new LockstepError(
    "ERR_ZIP_TOO_LARGE",
    `Expected at most 4 GiB in a .pth file, got ${bytes} bytes; use safetensors.`,
  );
}

function u16(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * 2);
  for (const [i, value] of values.entries()) out.writeUInt16LE(value, i * 2);
  return out;
}

function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}
