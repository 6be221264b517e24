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
import { appendToFile, writeSmallFile } from "@lockstep/files";
import { double, type Fields, float, int, message, text } from "@lockstep/formats";
import type { MetricsRow } from "./metrics.ts";

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
  const fileVersion = record(event(startedAt.getTime(), 0, text(3, "brain.Event:2")));
  writeSmallFile(path, Buffer.concat([fileVersion, ...rows.map(encode)]));
  for (const name of readdirSync(dir)) if (name !== file && name.startsWith(EVENTS)) rmSync(join(dir, name));
  return (row) => appendToFile(path, encode(row));
}

function eventEncoder(startedAtMs: number): (row: MetricsRow) => Buffer {
  let timeMs = startedAtMs;
  return (row) => {
    if (row.type === "step") timeMs += row.ms.step;
    const values = Object.entries(scalarsOf(row)).flatMap(([tag, value]) => scalar(tag, value));
    return record(event(timeMs, row.step, message(5, values)));
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
function event(timeMs: number, step: number, what: Fields): Buffer {
  return Buffer.concat([...double(1, timeMs / 1000), ...int(2, step), ...what]);
}

/** Summary.value = 1, with tag = 1 (string) and simple_value = 2 (float). */
function scalar(tag: string, value: number): Fields {
  return message(1, [...text(1, tag), ...float(2, value)]);
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
