/**
 * Event files of TensorBoard: scalars by tag and step. A file is a sequence of records (TFRecord); a record is an
 * `Event` message of protocol buffers with its length and two checksums.
 *
 * Sources: tensorflow/core/lib/io/record_writer.h (framing), tensorflow/core/util/event.proto and
 * tensorflow/core/framework/summary.proto (field numbers), RFC 3720 appendix B.4 (CRC-32C).
 */
import { readdirSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { MetricsRow } from "./metrics.ts";
import { appendToFile, writeSmallFile } from "./write-file.ts";

/** How TensorBoard knows its files. */
const EVENTS = "events.out.tfevents.";

/** Adds the scalars of a row, so that TensorBoard shows them while the run goes on. */
export type AppendEvents = (row: MetricsRow) => void;

/**
 * Starts the event file of a run in `dir`, with `rows` in it: those that a resumed run keeps. It takes the place of
 * earlier ones there, so each step stands once. A row's time is `startedAt` plus the time that its steps took.
 */
export function startEvents(dir: string, startedAt: Date, rows: readonly MetricsRow[] = []): AppendEvents {
  const file = `${EVENTS}${Math.floor(startedAt.getTime() / 1000)}.${hostname()}`;
  const path = join(dir, file);
  const encode = eventEncoder(startedAt.getTime());
  const fileVersion = record(event(startedAt.getTime(), 0, lengthDelimited(3, Buffer.from("brain.Event:2"))));
  writeSmallFile(path, Buffer.concat([fileVersion, ...rows.map(encode)]));
  for (const name of readdirSync(dir)) if (name !== file && name.startsWith(EVENTS)) rmSync(join(dir, name));
  return (row) => appendToFile(path, encode(row));
}

function eventEncoder(startedAtMs: number): (row: MetricsRow) => Buffer {
  let timeMs = startedAtMs;
  return (row) => {
    if (row.type === "step") timeMs += row.ms.step;
    const values = Object.entries(scalarsOf(row)).map(([tag, value]) => scalar(tag, value));
    return record(event(timeMs, row.step, lengthDelimited(5, Buffer.concat(values))));
  };
}

function scalarsOf(row: MetricsRow): Record<string, number> {
  switch (row.type) {
    case "step": {
      const ms = Object.entries(row.ms).map(([part, value]) => [`ms/${part}`, value]);
      return {
        "train/loss": row.loss,
        "train/accuracy": row.correct / row.samples,
        lr: row.lr,
        ...Object.fromEntries(ms),
      };
    }
    case "epoch": {
      const train = { "train/epoch_loss": row.trainLoss, "train/epoch_accuracy": row.trainAccuracy };
      if (row.evalLoss === undefined || row.evalAccuracy === undefined) return train;
      return { ...train, "eval/loss": row.evalLoss, "eval/accuracy": row.evalAccuracy };
    }
    case "test":
      return { "test/loss": row.loss, "test/accuracy": row.accuracy };
  }
}

/** Event: wall_time = 1 (double, seconds), step = 2 (int64), and one of file_version = 3 and summary = 5. */
function event(timeMs: number, step: number, what: Buffer): Buffer {
  const wallTime = Buffer.alloc(9, (1 << 3) | 1);
  wallTime.writeDoubleLE(timeMs / 1000, 1);
  return Buffer.concat([wallTime, Buffer.of(2 << 3), varint(step), what]);
}

/** Summary.value = 1, with tag = 1 (string) and simple_value = 2 (float). */
function scalar(tag: string, value: number): Buffer {
  const simpleValue = Buffer.alloc(5, (2 << 3) | 5);
  simpleValue.writeFloatLE(value, 1);
  return lengthDelimited(1, Buffer.concat([lengthDelimited(1, Buffer.from(tag)), simpleValue]));
}

function lengthDelimited(field: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.of((field << 3) | 2), varint(bytes.length), bytes]);
}

/** Seven bits a byte, least significant first; the top bit says that more follow. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.of(...bytes, value);
}

/** TFRecord: length (8 bytes), its CRC, data, its CRC; little-endian. */
function record(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedCrc(length), data, maskedCrc(data)]);
}

/** "Masked", since the checksum of data that holds its own checksum is a constant. */
function maskedCrc(bytes: Uint8Array): Buffer {
  const crc = crc32c(bytes);
  const out = Buffer.alloc(4);
  out.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return out;
}

const REVERSED_POLYNOMIAL = 0x82f63b78;
const crcOfByte = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ REVERSED_POLYNOMIAL : crc >>> 1;
  return crc;
});

/** CRC-32C, Castagnoli's. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcOfByte[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
