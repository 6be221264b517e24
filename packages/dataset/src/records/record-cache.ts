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

/** Records on disk, some of which may be missing. The file is open only while it is read or written. */
export class RecordCache {
  readonly #path: string;
  readonly #slot: Buffer;
  /** The first part of the slot; its CRC-32 follows. */
  readonly #record: Buffer;

  /**
   * Makes the file and its folder if they are not there.
   *
   * @throws LockstepError ERR_RECORD_CACHE, as `read` and `write` do, if the disk does not let it
   */
  constructor(path: string, recordBytes: number) {
    this.#path = path;
    this.#slot = Buffer.alloc(recordBytes + CRC_BYTES);
    this.#record = this.#slot.subarray(0, recordBytes);
    this.#withFile(() => {}); // a user who may not write there should hear of it before training
  }

  /** Copies the records of `indexes` to `out`, one after the other. Returns the places in `indexes` of missing ones. */
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

  /** Keeps records, which lie one after the other, as those of `indexes`. */
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
        `Expected to keep the coordinator's records in ${this.#path}, found: ${reasonOf(cause)}. Make room there, or name ` +
          "another folder with LOCKSTEP_DATA.",
        { cause },
      );
    }
  }
}
