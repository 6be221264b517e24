/**
 * Writes TensorBoard's event files, which hold scalars by tag and step. A file is a sequence of records (TFRecord). A
 * record is an `Event` message of protocol buffers with its length and two checksums.
 *
 * Sources: tensorflow/core/lib/io/record_writer.h (framing), tensorflow/core/util/event.proto and
 * tensorflow/core/framework/summary.proto (field numbers).
 */
import { readdirSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { appendToFile, writeSmallFile } from "@lockstep/files";
import { double, type Fields, float, int, message, text } from "../protobuf/write.ts";
import { crc32c } from "./crc-32c.ts";

/** The prefix by which TensorBoard recognizes its files. */
const EVENTS = "events.out.tfevents.";

/** The values of some scalars at one step. */
export interface ScalarEvent {
  /** Wall-clock time in milliseconds since 1970. */
  timeMs: number;
  step: number;
  /** Values by tag, such as "train/loss". */
  scalars: Record<string, number>;
}

/**
 * Starts an event file in `dir` with `events`, and removes all previous event files there. The file's name contains
 * `startedAt` and the host name.
 *
 * @returns a function that appends an event to the file
 * @throws LockstepError ERR_DISK_FULL or ERR_NOT_WRITABLE; the returned function throws the same
 */
export function startEventFile(
  dir: string,
  startedAt: Date,
  events: readonly ScalarEvent[],
): (event: ScalarEvent) => void {
  const file = `${EVENTS}${Math.floor(startedAt.getTime() / 1000)}.${hostname()}`;
  const path = join(dir, file);
  const fileVersion = record(eventProto(startedAt.getTime(), 0, text(3, "brain.Event:2")));
  writeSmallFile(path, Buffer.concat([fileVersion, ...events.map(encode)]));
  for (const name of readdirSync(dir)) if (name !== file && name.startsWith(EVENTS)) rmSync(join(dir, name));
  return (event) => appendToFile(path, encode(event));
}

function encode({ timeMs, step, scalars }: ScalarEvent): Buffer {
  const values = Object.entries(scalars).flatMap(([tag, value]) => scalarProto(tag, value));
  return record(eventProto(timeMs, step, message(5, values)));
}

/** Encodes an Event: wall_time = 1 (double, seconds), step = 2 (int64), and one of file_version = 3 and summary = 5. */
function eventProto(timeMs: number, step: number, content: Fields): Buffer {
  return Buffer.concat([...double(1, timeMs / 1000), ...int(2, step), ...content]);
}

/** Encodes Summary.value = 1, with tag = 1 (string) and simple_value = 2 (float). */
function scalarProto(tag: string, value: number): Fields {
  return message(1, [...text(1, tag), ...float(2, value)]);
}

/** Encodes a TFRecord: length (8 bytes), its CRC, data, its CRC; little-endian. */
function record(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedCrc(length), data, maskedCrc(data)]);
}

/**
 * Returns the masked checksum. TFRecord masks it because the checksum of data that contains its
 * own checksum is constant.
 */
function maskedCrc(bytes: Uint8Array): Buffer {
  const crc = crc32c(bytes);
  const out = Buffer.alloc(4);
  out.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return out;
}
