/** Writes pictures of many formats for the tests of `pnpm playground`. Number 1 of the shapes is a ring. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openShapes } from "@lockstep/dataset";
import { at } from "@lockstep/errors";
import sharp from "sharp";

/** Sizes of the shapes, as height and width. */
const SIZES = [
  [32, 32],
  [150, 150],
  [90, 160],
  [200, 120],
  [20, 24],
] as const;

/** Writes an image of the test set in another size, as PNG. @returns its path */
export async function shapePicture(folder: string, index: number): Promise<string> {
  const [height, width] = at(SIZES, index % SIZES.length);
  const bytes = new Uint8Array(height * width * 3);
  openShapes("test", height, width).read(index, bytes);
  const path = join(folder, `shape-${index}.png`);
  await sharp(bytes, { raw: { height, width, channels: 3 } })
    .png()
    .toFile(path);
  return path;
}

/** Writes a picture of each kind that browsers decode in another way than `pnpm predict`. @returns their paths */
export function oddPictures(folder: string): Promise<string[]> {
  return Promise.all([gammaPng, cmykJpeg, rotatedPhoto, transparentPng, deepPng].map((write) => write(folder)));
}

/** Writes a PNG with a gAMA of 1.0, which browsers apply: they make it lighter. */
async function gammaPng(folder: string): Promise<string> {
  const path = join(folder, "gamma.png");
  const plain = readFileSync(await shapePicture(folder, 2));
  const gamma = Buffer.from("00000004" + "67414d41" + "000186a0" + "31e8965f", "hex");
  writeFileSync(path, Buffer.concat([plain.subarray(0, 33), gamma, plain.subarray(33)])); // after IHDR
  return path;
}

async function cmykJpeg(folder: string): Promise<string> {
  const path = join(folder, "cmyk.jpg");
  const image = sharp(await shapePicture(folder, 3)).toColourspace("cmyk");
  await image.jpeg().toFile(path);
  return path;
}

/** Writes a photo with a different colour in each corner, rotated by its EXIF orientation. */
async function rotatedPhoto(folder: string): Promise<string> {
  const path = join(folder, "photo.jpg");
  const corners = Uint8Array.of(200, 40, 60, 40, 180, 60, 60, 60, 190, 220, 210, 80);
  const image = sharp(corners, { raw: { width: 2, height: 2, channels: 3 } }).resize(640, 480, { fit: "fill" });
  await image.withMetadata({ orientation: 6 }).jpeg().toFile(path);
  return path;
}

/** Writes a half transparent PNG. */
async function transparentPng(folder: string): Promise<string> {
  const path = join(folder, "transparent.png");
  const background = { r: 10, g: 120, b: 230, alpha: 0.5 };
  const image = sharp({ create: { width: 60, height: 40, channels: 4, background } });
  await image.png().toFile(path);
  return path;
}

/** Writes a PNG with 16 bits per channel. */
async function deepPng(folder: string): Promise<string> {
  const path = join(folder, "deep.png");
  const image = sharp(await shapePicture(folder, 4)).linear(0.7, 3);
  await image.toColourspace("rgb16").png().toFile(path);
  return path;
}
