/**
 * Event files of TensorBoard: scalars by tag and step. A file is a sequence of records (TFRecord); a record is an
 * `Event` message of protocol buffers with its length and two checksums.
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

/** TensorBoard knows its files by how their names begin. */
const EVENTS = "events.out.tfevents.";

/** An event gives the values of some scalars at one step. */
export interface ScalarEvent {
  /** Wall time in milliseconds since 1970. */
  timeMs: number;
  step: number;
  /** By tag: "train/loss". */
  scalars: Record<string, number>;
}

/**
 * Starts an event file in `dir` that holds `events`, in the place of all event files that stood there before. Its name
 * holds `startedAt` and the host's.
 *
 * @returns a function that adds an event to the end of the file
 * @throws LockstepError ERR_DISK_FULL or ERR_NOT_WRITABLE, as the returned function does
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

/** Event: wall_time = 1 (double, seconds), step = 2 (int64), and one of file_version = 3 and summary = 5. */
function eventProto(timeMs: number, step: number, what: Fields): Buffer {
  return Buffer.concat([...double(1, timeMs / 1000), ...int(2, step), ...what]);
}

/** Summary.value = 1, with tag = 1 (string) and simple_value = 2 (float). */
function scalarProto(tag: string, value: number): Fields {
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
