/**
 * Reads a zip archive that `storedZip` made, entry by entry.
 *
 * Source: PKWARE's APPNOTE.TXT 6.3.3, sections 4.3.7 (local header), 4.3.12 (central directory) and 4.3.16 (its end).
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";

const END_BYTES = 22;
const DIRECTORY_ENTRY_BYTES = 46;
const LOCAL_HEADER_BYTES = 30;
/** Largest read per system call. */
const READ_BYTES = 2 ** 30;

/**
 * Returns the bytes of each entry by name, in the order of the archive.
 *
 * @throws RangeError if the file is not such an archive, or an entry is damaged
 */
export function readStoredZip(path: string): Map<string, Uint8Array<ArrayBuffer>> {
  const file = openSync(path, "r");
  try {
    const fileBytes = fstatSync(file).size;
    const end = read(file, Math.max(fileBytes - END_BYTES, 0), END_BYTES);
    assertSignature(end, "PK\x05\x06");
    const directory = read(file, end.readUInt32LE(16), end.readUInt32LE(12));
    const entries = new Map<string, Uint8Array<ArrayBuffer>>();
    for (let at = 0; at < directory.length; ) {
      const entry = directory.subarray(at);
      assertSignature(entry, "PK\x01\x02");
      const nameBytes = entry.readUInt16LE(28);
      const extraBytes = entry.readUInt16LE(30);
      const commentBytes = entry.readUInt16LE(32);
      const name = entry.subarray(DIRECTORY_ENTRY_BYTES, DIRECTORY_ENTRY_BYTES + nameBytes).toString();
      entries.set(name, readEntry(file, entry, name));
      at += DIRECTORY_ENTRY_BYTES + nameBytes + extraBytes + commentBytes;
    }
    return entries;
  } finally {
    closeSync(file);
  }
}

/** @param entry the entry's record in the central directory */
function readEntry(file: number, entry: Buffer, name: string): Uint8Array<ArrayBuffer> {
  const [sum, bytes] = [entry.readUInt32LE(16), entry.readUInt32LE(20)];
  const at = entry.readUInt32LE(42);
  const header = read(file, at, LOCAL_HEADER_BYTES);
  assertSignature(header, "PK\x03\x04");
  const data = read(file, at + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28), bytes);
  if (crc32(data) !== sum) throw new RangeError(`Expected the checksum ${sum} for ${name}, got ${crc32(data)}.`);
  return data;
}

function assertSignature(bytes: Buffer, mark: string): void {
  const found = bytes.toString("latin1", 0, mark.length);
  if (found !== mark) throw new RangeError(`Expected ${JSON.stringify(mark)}, got ${JSON.stringify(found)}.`);
}

/** Reads bytes of a file into a new, aligned buffer. */
function read(file: number, position: number, bytes: number): Buffer<ArrayBuffer> {
  const out = Buffer.from(new ArrayBuffer(bytes));
  for (let done = 0; done < bytes; ) {
    const count = readSync(file, out, done, Math.min(bytes - done, READ_BYTES), position + done);
    if (count === 0) throw new RangeError(`Expected ${position + bytes} bytes, got ${position + done}.`);
    done += count;
  }
  return out;
}
