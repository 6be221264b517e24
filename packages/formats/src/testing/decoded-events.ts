/** Reads TensorBoard's event files, sharing only the checksum with the writer. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { at, defined } from "@lockstep/errors";
import { crc32c } from "../tensorboard/crc-32c.ts";

/** An event of a file. An event without a step has step 0. */
export interface DecodedEvent {
  wallTime: number;
  step: number;
  fileVersion?: string;
  scalars: Record<string, number>;
}

/** Yields each field's number and value, following the protocol buffers' encoding guide. */
function* fieldsOf(bytes: Buffer): Generator<[number, Buffer | number]> {
  let position = 0;
  const readVarint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes.readUInt8(position++);
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (position < bytes.length) {
    const key = readVarint();
    const wireType = key & 7;
    if (wireType === 0) yield [key >> 3, readVarint()];
    else {
      const length = wireType === 1 ? 8 : wireType === 5 ? 4 : readVarint();
      position += length;
      yield [key >> 3, bytes.subarray(position - length, position)];
    }
  }
}

function decodeEvent(bytes: Buffer): DecodedEvent {
  const decoded: DecodedEvent = { wallTime: 0, step: 0, scalars: {} };
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === 1) decoded.wallTime = (value as Buffer).readDoubleLE();
    if (field === 2) decoded.step = value as number;
    if (field === 3) decoded.fileVersion = value.toString();
    if (field !== 5) continue;
    for (const [, summaryValue] of fieldsOf(value as Buffer)) {
      const { 1: tag, 2: value } = Object.fromEntries(fieldsOf(summaryValue as Buffer)) as Record<number, Buffer>;
      decoded.scalars[String(defined(tag, "a tag"))] = defined(value, "a value").readFloatLE();
    }
  }
  return decoded;
}

/**
 * Reads the only event file in `dir`.
 *
 * @throws RangeError if a record's checksum is wrong
 */
export function decodeEventFile(dir: string): DecodedEvent[] {
  const bytes = readFileSync(join(dir, at(readdirSync(dir), 0)));
  const events: DecodedEvent[] = [];
  for (let start = 0; start < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(start));
    assertSum(bytes.subarray(start, start + 8), bytes.readUInt32LE(start + 8));
    const data = bytes.subarray(start + 12, start + 12 + length);
    assertSum(data, bytes.readUInt32LE(start + 12 + length));
    events.push(decodeEvent(data));
    start += 16 + length;
  }
  return events;
}

function assertSum(bytes: Buffer, masked: number): void {
  if (unmask(masked) !== crc32c(bytes))
    throw new RangeError(`Expected the checksum ${crc32c(bytes)}, got ${unmask(masked)}.`);
}

/** Reverses the masking, as in TensorFlow's crc32c.h. */
function unmask(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}
