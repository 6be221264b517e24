/** Turns a picture file into the pixels that the model receives. */

/**
 * Decodes a picture on the server, as `pnpm predict` does.
 *
 * @returns [height, width, 3] bytes in RGB
 * @throws Error with a message for people, if the file is not a supported image
 */
export async function pixelsOf(picture: File): Promise<Uint8Array> {
  const url = `/pixels?name=${encodeURIComponent(picture.name)}`;
  const response = await fetch(url, { method: "POST", body: picture }).catch((cause) => {
    throw new Error(`The picture could not be sent (${cause.message}). Is pnpm playground still running?`, { cause });
  });
  if (!response.ok) throw new Error(await response.text());
  return new Uint8Array(await response.arrayBuffer());
}

/** Converts RGB bytes to ImageData. */
export function imageOf(rgb: Uint8Array, width: number, height: number): ImageData {
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    image.data.set(rgb.subarray(3 * pixel, 3 * pixel + 3), 4 * pixel);
    image.data[4 * pixel + 3] = 255;
  }
  return image;
}
