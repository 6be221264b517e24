/** Decodes a picture's file into the pixels that a net sees, for `pnpm predict` and for the playground. */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { pathKind } from "@lockstep/files";
import sharp, { type Metadata, type Sharp } from "sharp";
import { detectImageFormat } from "./detect-image-format.ts";
import { cover, type Size } from "./resize.ts";

/** The largest file that is read. */
export const MAX_IMAGE_BYTES = 2 ** 27;
/** The most pixels that are decoded: 300 MB of them. */
const MAX_PIXELS = 1e8;
/** Marks the end of a JPEG image. */
const END_OF_IMAGE = Buffer.of(0xff, 0xd9);

/**
 * Reads an image file as `decodeImageBytes` does.
 *
 * @throws LockstepError ERR_IMAGE_FILE if there is no such file, or it is no image that is taken here
 */
export async function decodeImage(path: string, size: Size): Promise<Uint8Array> {
  return decodeImageBytes(await readImage(path), path, size);
}

/**
 * Decodes a PNG or JPEG image of any size to [height, width, 3] bytes in RGB: turned as its EXIF data say, on white where
 * it is transparent, scaled to cover the size and cropped around the middle. Colours are those of its ICC profile, or
 * the bytes as they are; the gamma of a PNG (gAMA) is ignored, as Pillow does.
 *
 * @param name what the image is called in an error
 * @throws LockstepError ERR_IMAGE_FILE if it is something else, damaged or too large
 */
export async function decodeImageBytes(bytes: Uint8Array, name: string, size: Size): Promise<Uint8Array> {
  const kind = detectImageFormat(bytes);
  if (kind !== "PNG" && kind !== "JPEG") throw refusal(name, kind, "Save it as one of these.");
  if (bytes.length > MAX_IMAGE_BYTES) throw refusal(name, `more than ${MAX_IMAGE_BYTES} bytes`, "Make it smaller.");
  // One more mark of its end, so that a JPEG which lacks it is read; one that was cut short before is still found out.
  const complete = kind === "JPEG" ? Buffer.concat([bytes, END_OF_IMAGE]) : bytes;
  try {
    const { width, height, ...header } = await sharp(complete, { limitInputPixels: false }).metadata();
    if (width * height > MAX_PIXELS) {
      const found = `${width} × ${height} pixels, and at most ${MAX_PIXELS / 1e6} million are decoded`;
      throw refusal(name, found, "Make it smaller.");
    }
    const { data, info } = await pixelsOf(sharp(complete).autoOrient(), header);
    const out = new Uint8Array(size.height * size.width * 3);
    cover(data, info, out, size, 3);
    return out;
  } catch (cause) {
    if (cause instanceof LockstepError) throw cause;
    throw refusal(name, (cause as Error).message, "Copy or save it again.", cause);
  }
}

/** All pixels, in RGB. */
async function pixelsOf(image: Sharp, { space, hasProfile }: Pick<Metadata, "space" | "hasProfile">) {
  if (space !== "cmyk" || hasProfile) return raw(image.flatten({ background: "white" }).toColourspace("srgb"));
  const { data, info } = await raw(image.pipelineColourspace("cmyk").toColourspace("cmyk"));
  return { data: rgbOfCmyk(data), info };
}

const raw = (image: Sharp) => image.raw().toBuffer({ resolveWithObject: true });

/** Four inks to three lights, as browsers and Pillow do where no profile says how. */
function rgbOfCmyk(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let pixel = 0; pixel < cmyk.length / 4; pixel++) {
    const light = 255 - cmyk[4 * pixel + 3]!;
    for (let c = 0; c < 3; c++) rgb[3 * pixel + c] = ((255 - cmyk[4 * pixel + c]!) * light) / 255 + 0.5;
  }
  return rgb;
}

/** Reads at most MAX_IMAGE_BYTES + 1, which is enough for the size check. */
async function readImage(path: string): Promise<Uint8Array> {
  if (pathKind(path) === "folder") throw refusal(path, "a folder", `Name the pictures in it: ${join(path, "*")}`);
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
    throw refusal(path, (cause as Error).message, "Name a picture that can be read.", cause);
  }
}

function refusal(name: string, found: string, remedy: string, cause?: unknown): LockstepError {
  const text = `Expected a PNG or JPEG image at ${name}, found: ${found}. ${remedy}`;
  return new LockstepError("ERR_IMAGE_FILE", text, { cause });
}
