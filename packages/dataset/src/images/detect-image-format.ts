/** Recognizes the format of a picture by its first bytes. */

/** [what it is, where the mark stands, the mark] */
const MARKS: readonly (readonly [kind: string, offset: number, mark: string])[] = [
  ["PNG", 0, "\x89PNG\r\n\x1a\n"],
  ["JPEG", 0, "\xff\xd8\xff"],
  ["a GIF image", 0, "GIF8"],
  ["a WebP image", 8, "WEBP"],
  ["a BMP image", 0, "BM"],
  ["a TIFF image", 0, "II*\0"],
  ["a TIFF image", 0, "MM\0*"],
  ["an AVIF image", 4, "ftypavif"],
  ["a HEIC image", 4, "ftyphei"],
  ["a PDF document", 0, "%PDF"],
];

/** Returns "PNG", "JPEG", or words for what else the bytes are. */
export function detectImageFormat(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 16)).toString("latin1");
  if (head === "") return "an empty file";
  const known = MARKS.find(([, offset, mark]) => head.startsWith(mark, offset));
  return known === undefined ? "an unsupported image format, or no image" : known[0];
}
