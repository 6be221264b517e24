/**
 * Records kept on disk: a file of slots, each a record and its CRC-32. A slot that was never written, only half
 * written, or damaged does not match its CRC-32, so its record counts as missing. Several processes may use one file:
 * a record has the same bytes in the same place for all of them.
 */
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { LockstepError } from "@lockstep/errors";
import { makeFolders } from "@lockstep/files";
import { reasonOf } from "@lockstep/outbound";

const CRC_BYTES = 4;

/** Records on disk, some of which may be missing. */
export interface RecordCache {
  /** Copies the records of `indexes` to `out`, one after the other. Returns the places in `indexes` of missing ones. */
  read(indexes: Uint32Array, out: Uint8Array): number[];
  /** Keeps records, which lie one after the other, as those of `indexes`. */
  write(indexes: Uint32Array, records: Uint8Array): void;
}

/**
 * Makes the file and its folder if they are not there. The file is open only while it is read or written.
 *
 * @throws LockstepError ERR_RECORD_CACHE, as `read` and `write` do, if the disk does not let it
 */
export function openRecordCache(path: string, recordBytes: number): RecordCache {
  const slot = Buffer.alloc(recordBytes + CRC_BYTES);
  const record = slot.subarray(0, recordBytes);

  function withFile(use: (file: number) => void): void {
    try {
      makeFolders(dirname(path));
      const file = openSync(path, constants.O_RDWR | constants.O_CREAT);
      try {
        use(file);
      } finally {
        closeSync(file);
      }
    } catch (cause) {
      throw new LockstepError(
        "ERR_RECORD_CACHE",
        `Expected to keep the coordinator's records in ${path}, found: ${reasonOf(cause)}. Make room there, or name ` +
          "another folder with LOCKSTEP_DATA.",
        { cause },
      );
    }
  }

  withFile(() => {}); // whoever may not write there should hear of it before training
  return {
    read(indexes, out) {
      const missing: number[] = [];
      withFile((file) => {
        for (const [place, index] of indexes.entries()) {
          const bytes = readSync(file, slot, 0, slot.length, index * slot.length);
          if (bytes === slot.length && slot.readUInt32LE(recordBytes) === crc32(record)) {
            out.set(record, place * recordBytes);
          } else missing.push(place);
        }
      });
      return missing;
    },
    write(indexes, records) {
      withFile((file) => {
        for (const [place, index] of indexes.entries()) {
          record.set(records.subarray(place * recordBytes, (place + 1) * recordBytes));
          slot.writeUInt32LE(crc32(record), recordBytes);
          writeSync(file, slot, 0, slot.length, index * slot.length);
        }
      });
    },
  };
}
