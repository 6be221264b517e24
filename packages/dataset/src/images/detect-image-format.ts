/** Detects the format of an image from its first bytes. */

/** The signature of each format: its name, its offset in the file, its bytes. */
const SIGNATURES: readonly (readonly [name: string, offset: number, signature: string])[] = [
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

/** Returns "PNG", "JPEG", or a description of any other content. */
export function detectImageFormat(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 16)).toString("latin1");
  if (head === "") return "an empty file";
  const known = SIGNATURES.find(([, offset, signature]) => head.startsWith(signature, offset));
  return known === undefined ? "an unsupported format" : known[0];
}
