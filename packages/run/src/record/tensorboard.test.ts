import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { MetricsRow } from "./metrics.ts";
import { crc32c, startEvents } from "./tensorboard.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-events-"));
});

// RFC 3720, appendix B.4.
test.each([
  ["32 bytes of zeros", Buffer.alloc(32), 0x8a9136aa],
  ["32 bytes of ones", Buffer.alloc(32, 0xff), 0x62a8ab43],
  ["32 bytes rising", Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  ["32 bytes falling", Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  [
    "a SCSI read command",
    Buffer.from(
      "01c00000000000000000000000000000140000000000040000000014000000182800000000000000020000000000" + "0000",
      "hex",
    ),
    0xd9963a56,
  ],
])("CRC-32C of %s is the published one", (_, bytes, crc) => expect(crc32c(bytes)).toBe(crc));

interface DecodedEvent {
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

function decodeFile(): DecodedEvent[] {
  const [name] = readdirSync(dir);
  const bytes = readFileSync(join(dir, name!));
  const events: DecodedEvent[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(unmask(bytes.readUInt32LE(at + 8))).toBe(crc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(unmask(bytes.readUInt32LE(at + 12 + length))).toBe(crc32c(data));
    events.push(decodeEvent(data));
    at += 16 + length;
  }
  return events;
}

/** As in TensorFlow's crc32c.h. */
function unmask(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

describe("event files", () => {
  const startedAt = new Date(1_700_000_000_500);
  const stepRow = (step: number): MetricsRow => {
    return { type: "step", epoch: 1, step, loss: 1.5, samples: 32, correct: 8, lr: 0.25, ms: { step: 250, data: 1 } };
  };
  const epochRow: MetricsRow = {
    type: "epoch",
    epoch: 1,
    step: 300,
    trainLoss: 2,
    trainAccuracy: 0.5,
    evalLoss: 1,
    evalAccuracy: 0.75,
    samples: 64,
  };
  const rows: MetricsRow[] = [
    stepRow(1),
    stepRow(300),
    epochRow,
    { type: "test", step: 300, loss: 3, accuracy: 0.125, samples: 8 },
  ];

  test("hold the scalars of each row at its step and time", () => {
    const append = startEvents(dir, startedAt);
    for (const row of rows) append(row);
    const scalars = { "train/loss": 1.5, "train/accuracy": 0.25, lr: 0.25, "ms/step": 250, "ms/data": 1 };
    expect(decodeFile()).toEqual([
      { wallTime: 1_700_000_000.5, step: 0, fileVersion: "brain.Event:2", scalars: {} },
      { wallTime: 1_700_000_000.75, step: 1, scalars },
      { wallTime: 1_700_000_001, step: 300, scalars },
      {
        wallTime: 1_700_000_001,
        step: 300,
        scalars: { "train/epoch_loss": 2, "train/epoch_accuracy": 0.5, "eval/loss": 1, "eval/accuracy": 0.75 },
      },
      { wallTime: 1_700_000_001, step: 300, scalars: { "test/loss": 3, "test/accuracy": 0.125 } },
    ]);
  });

  test("of a resumed run take the place of the earlier ones, so each step stands once", () => {
    const append = startEvents(dir, startedAt);
    for (const row of rows) append(row);
    startEvents(dir, new Date(1_800_000_000_000), rows.slice(0, 1))(stepRow(2));
    expect(readdirSync(dir)).toEqual([`events.out.tfevents.1800000000.${hostname()}`]);
    expect(decodeFile().map(({ step }) => step)).toEqual([0, 1, 2]);
  });

  test("leave out the scalars of a validation that was not", () => {
    const { evalLoss, evalAccuracy, ...row } = epochRow;
    startEvents(dir, startedAt, [row]);
    expect(Object.keys(decodeFile()[1]!.scalars)).toEqual(["train/epoch_loss", "train/epoch_accuracy"]);
  });
});
