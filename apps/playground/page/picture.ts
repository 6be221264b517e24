/** From a file that someone gave to the pixels that a net sees. */
import { cover, type Size } from "@lockstep/dataset/input";

/**
 * Does what `decodeImage` does on Node: the picture turned as its EXIF data say, on white where it is transparent,
 * scaled to cover the size and cropped around the middle.
 *
 * @throws Error for people, if the browser can't decode it
 */
export async function pixelsOf(picture: File, size: Size): Promise<ImageData> {
  const bitmap = await createImageBitmap(picture).catch((cause) => {
    throw new Error(`Expected a picture, but this browser finds none in ${picture.name}.`, { cause });
  });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const whole = context.getImageData(0, 0, width, height).data;
  const pixels = new ImageData(size.width, size.height);
  cover(new Uint8Array(whole.buffer), { width, height }, new Uint8Array(pixels.data.buffer), size, 4);
  return pixels;
}

/** [height, width, 3] bytes; the opacity, which is full everywhere, is left out. */
export function withoutOpacity({ data }: ImageData): Uint8Array {
  return Uint8Array.from(data.filter((_, i) => i % 4 !== 3));
}
