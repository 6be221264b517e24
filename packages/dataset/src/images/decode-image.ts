/** Decodes image files into pixels at a model's input size, for `pnpm predict` and the playground. */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { LockstepError, messageOf } from "@lockstep/errors";
import { pathKind } from "@lockstep/files";
import type { Metadata, Sharp } from "sharp";
import { detectImageFormat } from "./detect-image-format.ts";
import { cover, type Size } from "./resize.ts";

/** Largest image file that is read, in bytes. */
export const MAX_IMAGE_BYTES = 2 ** 27;
/** Largest number of pixels that are decoded, which take 300 MB. */
const MAX_PIXELS = 1e8;
/** Marks the end of a JPEG image. */
const END_OF_IMAGE = Buffer.of(0xff, 0xd9);

/**
 * Reads an image file as `decodeImageBytes` does.
 *
 * @throws LockstepError ERR_IMAGE_FILE if the file does not exist, or `decodeImageBytes` refuses it
 */
export async function decodeImage(path: string, size: Size): Promise<Uint8Array> {
  return decodeImageBytes(await readImage(path), path, size);
}

/**
 * Decodes a PNG or JPEG image of any size to [height, width, 3] bytes in RGB: rotated according to its EXIF data, on
 * white where it is transparent, scaled to cover the size and cropped around the centre. Applies the image's ICC
 * profile, if any; ignores a PNG's gamma (gAMA), as Pillow does.
 *
 * @param name the image's name in an error
 * @throws LockstepError ERR_IMAGE_FILE if the image has another format, is damaged or is too large
 */
export async function decodeImageBytes(bytes: Uint8Array, name: string, size: Size): Promise<Uint8Array> {
  const kind = detectImageFormat(bytes);
  if (kind !== "PNG" && kind !== "JPEG") throw refusal(name, kind, "Save it as PNG or JPEG.");
  if (bytes.length > MAX_IMAGE_BYTES) throw refusal(name, `more than ${MAX_IMAGE_BYTES} bytes`, "Make it smaller.");
  // An additional end marker lets a JPEG without one be read. A file truncated earlier is still detected.
  const complete = kind === "JPEG" ? Buffer.concat([bytes, END_OF_IMAGE]) : bytes;
  const { default: sharp } = await import("sharp"); // loaded here, since most programs decode no image
  try {
    const { width, height, ...header } = await sharp(complete, { limitInputPixels: false }).metadata();
    if (width * height > MAX_PIXELS) {
      const got = `${width} × ${height} pixels; at most ${MAX_PIXELS / 1e6} million are decoded`;
      throw refusal(name, got, "Make it smaller.");
    }
    const { data, info } = await pixelsOf(sharp(complete).autoOrient(), header);
    const out = new Uint8Array(size.height * size.width * 3);
    cover(data, info, out, size, 3);
    return out;
  } catch (cause) {
    if (cause instanceof LockstepError) throw cause;
    throw refusal(name, messageOf(cause), "Copy or save it again.", cause);
  }
}

/** Returns all pixels in RGB. */
async function pixelsOf(image: Sharp, { space, hasProfile }: Pick<Metadata, "space" | "hasProfile">) {
  if (space !== "cmyk" || hasProfile) return raw(image.flatten({ background: "white" }).toColourspace("srgb"));
  const { data, info } = await raw(image.pipelineColourspace("cmyk").toColourspace("cmyk"));
  return { data: rgbOfCmyk(data), info };
}

const raw = (image: Sharp) => image.raw().toBuffer({ resolveWithObject: true });

/** Converts CMYK to RGB as browsers and Pillow do without a profile. */
function rgbOfCmyk(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  // biome-ignore-start lint/style/noNonNullAssertion: the loop stays inside the pixels, and a check of each would be slow
  for (let pixel = 0; pixel < cmyk.length / 4; pixel++) {
    const light = 255 - cmyk[4 * pixel + 3]!;
    for (let c = 0; c < 3; c++) rgb[3 * pixel + c] = ((255 - cmyk[4 * pixel + c]!) * light) / 255 + 0.5;
  }
  // biome-ignore-end lint/style/noNonNullAssertion: see above
  return rgb;
}

/**
 * Finds out early whether there is a file at the path of an image.
 *
 * @throws LockstepError ERR_IMAGE_FILE
 */
export function assertImageExists(path: string): void {
  const kind = pathKind(path);
  if (kind === "folder") throw refusal(path, "a folder", `Give the images in it: ${join(path, "*")}`);
  if (kind === "nothing") throw refusal(path, "no such file", READABLE);
}

const READABLE = "Give the path of a readable image.";

/** Reads at most MAX_IMAGE_BYTES + 1 bytes, which is enough for the size check. */
async function readImage(path: string): Promise<Uint8Array> {
  assertImageExists(path);
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      const bytes = Buffer.alloc(Math.min(size, MAX_IMAGE_BYTES + 1));
      const { bytesRead } = await file.read(bytes);
      return bytes.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw refusal(path, messageOf(cause), READABLE, cause);
  }
}

function refusal(name: string, got: string, remedy: string, cause?: unknown): LockstepError {
  const text = `Expected a PNG or JPEG image at ${name}, got: ${got}. ${remedy}`;
  return new LockstepError("ERR_IMAGE_FILE", text, { cause });
}
