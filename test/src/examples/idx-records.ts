/**
 * Reads IDX files, the format of MNIST and Fashion-MNIST: big-endian numbers, then one byte for each pixel or label.
 * Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
 */

import { readFileSync } from "node:fs";
import type { Records } from "@lockstep/dataset";
import { at, LockstepError } from "@lockstep/errors";

const IMAGES = { magic: 0x803, headerBytes: 16 };
const LABELS = { headerBytes: 8 };

/**
 * Opens the images and labels of one split.
 *
 * @throws LockstepError ERR_DATA_FILE if a file is not valid
 */
export function openIdx(imagesPath: string, labelsPath: string, classes: readonly string[]): Records {
  const images = readFileSync(imagesPath);
  const labels = readFileSync(labelsPath).subarray(LABELS.headerBytes);
  if (images.length < IMAGES.headerBytes || images.readUInt32BE(0) !== IMAGES.magic)
    throw wrong(imagesPath, "a header");
  const [samples, height, width] = [images.readUInt32BE(4), images.readUInt32BE(8), images.readUInt32BE(12)];
  const pixels = height * width;
  if (images.length !== IMAGES.headerBytes + samples * pixels) throw wrong(imagesPath, `${samples} pictures`);
  if (labels.length !== samples) throw wrong(labelsPath, `${samples} labels`);
  if (labels.some((label) => label >= classes.length)) throw wrong(labelsPath, `labels below ${classes.length}`);
  return {
    samples,
    height,
    width,
    channels: 1,
    classes,
    read(index, out) {
      const start = IMAGES.headerBytes + index * pixels;
      out.set(images.subarray(start, start + pixels));
      return at(labels, index);
    },
  };
}

function wrong(path: string, expected: string): LockstepError {
  return new LockstepError("ERR_DATA_FILE", `Expected ${expected} in ${path}. Download the file again.`);
}
