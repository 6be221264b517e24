import { LockstepError } from "@lockstep/errors";
import sharp from "sharp";
import { cover, type Size } from "./resize.ts";

/**
 * Reads an image file, PNG or JPEG, of any size as [height, width, 3] bytes in RGB: turned as its EXIF data say,
 * on white where it is transparent, scaled to cover the size and cropped around the middle.
 *
 * @throws LockstepError if there is no such file or it is not an image
 */
export async function decodeImage(path: string, size: Size): Promise<Uint8Array> {
  try {
    const image = sharp(path).autoOrient().flatten({ background: "white" }).toColourspace("srgb").raw();
    const { data, info } = await image.toBuffer({ resolveWithObject: true });
    const out = new Uint8Array(size.height * size.width * info.channels);
    cover(data, info, out, size, info.channels);
    return out;
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new LockstepError("ERR_IMAGE_FILE", `Expected a PNG or JPEG image at ${path}, found: ${found}.`, { cause });
  }
}
