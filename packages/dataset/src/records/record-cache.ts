/**
 * Caches records on disk, in a file of slots that each hold a record and its CRC-32. If a slot is unwritten, incomplete
 * or damaged, its CRC-32 does not match and the record counts as missing. Several processes may share a file, because a
 * record has the same bytes at the same position for all of them.
 */
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { LockstepError } from "@lockstep/errors";
import { makeFolders } from "@lockstep/files";
import { reasonOf } from "@lockstep/outbound";

const CRC_BYTES = 4;

/** A cache of records on disk. The file is open only during a read or write. */
export class RecordCache {
  readonly #path: string;
  readonly #slot: Buffer;
  /** A view of the record in the slot, which its CRC-32 follows. */
  readonly #record: Buffer;

  /**
   * Makes the file and its folder if necessary.
   *
   * @throws LockstepError ERR_RECORD_CACHE if the disk refuses; `read` and `write` throw the same
   */
  constructor(path: string, recordBytes: number) {
    this.#path = path;
    this.#slot = Buffer.alloc(recordBytes + CRC_BYTES);
    this.#record = this.#slot.subarray(0, recordBytes);
    this.#withFile(() => {}); // reports a folder that cannot be written before training starts
  }

  /** Copies the records of `indexes` to `out` in order. Returns the positions in `indexes` of missing records. */
  read(indexes: Uint32Array, out: Uint8Array): number[] {
    const missing: number[] = [];
    this.#withFile((file) => {
      for (const [place, index] of indexes.entries()) {
        if (this.#readSlot(file, index)) out.set(this.#record, place * this.#record.length);
        else missing.push(place);
      }
    });
    return missing;
  }

  /** Stores consecutive records under `indexes`. */
  write(indexes: Uint32Array, records: Uint8Array): void {
    const { length } = this.#record;
    this.#withFile((file) => {
      for (const [place, index] of indexes.entries()) {
        this.#record.set(records.subarray(place * length, (place + 1) * length));
        this.#slot.writeUInt32LE(crc32(this.#record), length);
        writeSync(file, this.#slot, 0, this.#slot.length, index * this.#slot.length);
      }
    });
  }

  /** Reads a record with its CRC-32 into the slot. Returns whether they match. */
  #readSlot(file: number, index: number): boolean {
    const bytes = readSync(file, this.#slot, 0, this.#slot.length, index * this.#slot.length);
    return bytes === this.#slot.length && this.#slot.readUInt32LE(this.#record.length) === crc32(this.#record);
  }

  #withFile(use: (file: number) => void): void {
    try {
      makeFolders(dirname(this.#path));
      const file = openSync(this.#path, constants.O_RDWR | constants.O_CREAT);
      try {
        use(file);
      } finally {
        closeSync(file);
      }
    } catch (cause) {
      throw new LockstepError(
        "ERR_RECORD_CACHE",
        `Could not cache the coordinator's records in ${this.#path}: ${reasonOf(cause)}. Free some space there, or set ` +
          "LOCKSTEP_DATA to another folder.",
        { cause },
      );
    }
  }
}
