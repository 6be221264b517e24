/** A reader of TensorBoard's event files that shares nothing with the writer but the checksum. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32c } from "../tensorboard/crc-32c.ts";

/** An event as it stands in the file; one without a step has step 0. */
export interface DecodedEvent {
  wallTime: number;
  step: number;
  fileVersion?: string;
  scalars: Record<string, number>;
}

/** A reader of its own: fields as (number, wire type, value), by the protocol buffers' encoding guide. */
function* fieldsOf(bytes: Buffer): Generator<[number, Buffer | number]> {
  let at = 0;
  const readVarint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = readVarint();
    const wireType = key & 7;
    if (wireType === 0) yield [key >> 3, readVarint()];
    else {
      const length = wireType === 1 ? 8 : wireType === 5 ? 4 : readVarint();
      at += length;
      yield [key >> 3, bytes.subarray(at - length, at)];
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
      const { 1: tag, 2: simple } = Object.fromEntries(fieldsOf(summaryValue as Buffer)) as Record<number, Buffer>;
      decoded.scalars[tag!.toString()] = simple!.readFloatLE();
    }
  }
  return decoded;
}

/**
 * Reads the only event file in `dir`.
 *
 * @throws RangeError for a record whose checksums are not those of its bytes
 */
export function decodeEventFile(dir: string): DecodedEvent[] {
  const [name] = readdirSync(dir);
  const bytes = readFileSync(join(dir, name!));
  const events: DecodedEvent[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    assertSum(bytes.subarray(at, at + 8), bytes.readUInt32LE(at + 8));
    const data = bytes.subarray(at + 12, at + 12 + length);
    assertSum(data, bytes.readUInt32LE(at + 12 + length));
    events.push(decodeEvent(data));
    at += 16 + length;
  }
  return events;
}

function assertSum(bytes: Buffer, masked: number): void {
  if (unmask(masked) !== crc32c(bytes))
    throw new RangeError(`Expected the checksum ${crc32c(bytes)}, got ${unmask(masked)}.`);
}

/** As in TensorFlow's crc32c.h. */
function unmask(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}
