/** Makes batches: the samples that a step computes on. */
import { type Augment, applyFlipCrop, drawFlipCrop } from "../images/augment.ts";
import { type MeanStd, normalizeTable } from "../images/normalize.ts";
import { resize } from "../images/resize.ts";
import type { Records } from "../records/records.ts";

/** Samples in the order of their split. */
export interface Batch {
  /** [samples, height, width, channels], normalised. */
  images: Float32Array<ArrayBuffer>;
  /** [samples]; the class of each sample. */
  labels: Int32Array<ArrayBuffer>;
  /** [samples]; the index of each sample among its records. */
  sampleIds: Uint32Array<ArrayBuffer>;
  samples: number;
  /** Pixels. */
  height: number;
  /** Pixels. */
  width: number;
  channels: number;
}

/** The records of a batch, and how they are converted to images. */
export interface BatchOptions {
  records: Records;
  /** Indices into the records. */
  order: Uint32Array;
  /** The batch is the range [start, end) of the order. */
  start: number;
  end: number;
  epoch: number;
  seed: number;
  normalize: MeanStd;
  augment: Augment;
  /** Height of the model's input, in pixels. Images of another size are resized. */
  height: number;
  /** Width of the model's input, in pixels. */
  width: number;
}

/** Reads records, augments them at their own size, resizes and normalises them. A pure function of its options. */
export function makeBatch(options: BatchOptions): Batch {
  const { records, epoch, seed, augment, height, width } = options;
  const { channels } = records;
  const sampleIds = Uint32Array.from(options.order.subarray(options.start, options.end));
  const samples = sampleIds.length;
  const values = height * width * channels;
  const images = new Float32Array(samples * values);
  const labels = new Int32Array(samples);
  const table = normalizeTable(options.normalize);
  let image = new Uint8Array(records.height * records.width * channels);
  let augmented = new Uint8Array(image.length);
  const resized = new Uint8Array(values);
  for (const [sample, sampleId] of sampleIds.entries()) {
    labels[sample] = records.read(sampleId, image);
    if (augment === "flip-crop") {
      applyFlipCrop(image, [records.height, records.width, channels], drawFlipCrop(seed, epoch, sampleId), augmented);
      [image, augmented] = [augmented, image];
    }
    resize(image, records, resized, { height, width }, channels);
    normalize(resized, table, channels, images, sample * values);
  }
  return { images, labels, sampleIds, samples, height, width, channels };
}

function normalize(bytes: Uint8Array, table: Float32Array, channels: number, out: Float32Array, start: number): void {
  for (let i = 0; i < bytes.length; i += channels) {
    for (let channel = 0; channel < channels; channel++) {
      out[start + i + channel] = table[channel * 256 + (bytes[i + channel] ?? 0)] ?? 0; // in range
    }
  }
}
