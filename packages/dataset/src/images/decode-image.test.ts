/** Compares images with the pixels they were made of, and CMYK with Pillow's; tries damaged files and other formats. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { defined, temporaryFolder } from "@lockstep/testing";
import sharp from "sharp";
import { expect, test } from "vitest";
import { decodeImage, decodeImageBytes } from "./decode-image.ts";

const folder = temporaryFolder();

const red = [255, 0, 0];
const blue = [0, 0, 255];
type Channels = 1 | 2 | 3 | 4;

async function png(width: number, height: number, channels: Channels, bytes: number[]): Promise<string> {
  const path = join(folder, `${channels}.png`);
  await sharp(Uint8Array.from(bytes), { raw: { width, height, channels } }).png().toFile(path);
  return path;
}

const decoded = async (path: string, height: number, width: number) => [
  ...(await decodeImage(path, { height, width })),
];

test("decodeImage keeps the bytes of an image of the right size", async () => {
  const bytes = [1, 2, 3, 40, 50, 60, 70, 80, 90, 200, 210, 220];
  expect(await decoded(await png(2, 2, 3, bytes), 2, 2)).toEqual(bytes);
});

test("decodeImage converts grey to three equal channels", async () => {
  const path = join(folder, "gray.png");
  await sharp(Uint8Array.of(7, 200), { raw: { width: 2, height: 1, channels: 1 } })
    .toColourspace("b-w")
    .png()
    .toFile(path);
  expect((await sharp(path).metadata()).channels).toBe(1);
  expect(await decoded(path, 1, 2)).toEqual([7, 7, 7, 200, 200, 200]);
});

test("decodeImage puts transparent pixels on white", async () => {
  expect(await decoded(await png(2, 1, 4, [...red, 0, ...blue, 255]), 1, 2)).toEqual([255, 255, 255, ...blue]);
});

test("decodeImage crops a wide image around the centre", async () => {
  const row = [...red, ...red, ...blue, ...blue, ...red, ...red];
  expect(await decoded(await png(6, 2, 3, [...row, ...row]), 2, 2)).toEqual([...blue, ...blue, ...blue, ...blue]);
});

test("decodeImage scales a photo down to the size", async () => {
  const path = join(folder, "photo.jpg");
  await sharp({ create: { width: 640, height: 480, channels: 3, background: { r: 200, g: 100, b: 50 } } })
    .jpeg({ quality: 100 })
    .toFile(path);
  const bytes = await decoded(path, 32, 32);
  expect(bytes.length).toBe(32 * 32 * 3);
  for (const [i, byte] of bytes.entries())
    expect(Math.abs(byte - defined([200, 100, 50][i % 3]))).toBeLessThanOrEqual(2);
});

test("decodeImage rotates a photo according to its EXIF data", async () => {
  const path = join(folder, "turned.jpg");
  // 16 × 16 blocks: red on the left, blue on the right; orientation 3 is upside down.
  const bytes = Array.from({ length: 16 * 32 }, (_, i) => (i % 32 < 16 ? red : blue)).flat();
  await sharp(Uint8Array.from(bytes), { raw: { width: 32, height: 16, channels: 3 } })
    .withMetadata({ orientation: 3 })
    .jpeg({ quality: 100, chromaSubsampling: "4:4:4" })
    .toFile(path);
  const [leftRed, , leftBlue] = await decoded(path, 16, 32);
  expect(leftRed).toBeLessThan(10);
  expect(leftBlue).toBeGreaterThan(245);
});

test("decodeImage converts CMYK as Pillow does without a profile", async () => {
  const path = join(folder, "inks.jpg");
  const colours = Uint8Array.of(...red, 30, 120, 60, 250, 250, 90, 0, 0, 0);
  await sharp(colours, { raw: { width: 4, height: 1, channels: 3 } })
    .toColourspace("cmyk")
    .jpeg()
    .toFile(path);
  const { space, hasProfile } = await sharp(path).metadata();
  expect({ space, hasProfile }).toEqual({ space: "cmyk", hasProfile: false });
  const inks = await sharp(path).pipelineColourspace("cmyk").toColourspace("cmyk").raw().toBuffer();
  const due = Array.from({ length: 12 }, (_, i) => {
    const [ink, black] = [defined(inks[4 * Math.floor(i / 3) + (i % 3)]), defined(inks[4 * Math.floor(i / 3) + 3])];
    return Math.round(255 * (1 - ink / 255) * (1 - black / 255));
  });
  expect(new Set(due).size).toBeGreaterThan(6);
  expect(await decoded(path, 1, 4)).toEqual(due);
});

test("decodeImage ignores the gamma of a PNG", async () => {
  const path = join(folder, "gamma.png");
  const bytes = [1, 2, 3, 40, 50, 60, 70, 80, 90, 200, 210, 220];
  const plain = readFileSync(await png(2, 2, 3, bytes));
  const gamma = Buffer.from("00000004" + "67414d41" + "000186a0" + "31e8965f", "hex"); // gAMA of 1.0
  writeFileSync(path, Buffer.concat([plain.subarray(0, 33), gamma, plain.subarray(33)])); // after IHDR
  expect(await decoded(path, 2, 2)).toEqual(bytes);
});

/** Encodes noise as a JPEG. */
function encodedNoise(): Promise<Buffer> {
  const noise = Uint8Array.from({ length: 64 * 48 * 3 }, (_, i) => (i * i * 31 + i * 17) % 256);
  return sharp(noise, { raw: { width: 64, height: 48, channels: 3 } })
    .jpeg()
    .toBuffer();
}
const decodedBytes = (bytes: Uint8Array) => decodeImageBytes(bytes, "photo.jpg", { height: 48, width: 64 });

test("decodeImage reads a JPEG without an end marker", async () => {
  const complete = await encodedNoise();
  expect(complete.subarray(-2)).toEqual(Buffer.of(0xff, 0xd9));
  const due = await decodedBytes(complete);
  expect(await decodedBytes(complete.subarray(0, -2))).toEqual(due);
  expect(await decodedBytes(complete.subarray(0, -1))).toEqual(due);
  expect(await decodedBytes(Buffer.concat([complete, Buffer.alloc(9)]))).toEqual(due);
});

test("decodeImage refuses a JPEG that was truncated within its pixels", async () => {
  const complete = await encodedNoise();
  for (const bytes of [complete.length - 50, Math.round(complete.length / 2), 700]) {
    await expect(decodedBytes(complete.subarray(0, bytes)), `${bytes}`).rejects.toMatchObject({
      code: "ERR_IMAGE_FILE",
    });
  }
});

test("decodeImage refuses too many pixels after reading the header only", async () => {
  const header = Buffer.from("0000000d49484452" + "00003e80" + "00003e80" + "0100000000", "hex"); // 16,000² bits
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(header.subarray(4)));
  const start = await sharp({ create: { width: 1, height: 1, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  const bytes = Buffer.concat([start.subarray(0, 8), header, sum, start.subarray(33)]);
  await expect(decodeImageBytes(bytes, "plan.png", { height: 2, width: 2 })).rejects.toMatchObject({
    code: "ERR_IMAGE_FILE",
    message: expect.stringContaining("got: 16000 × 16000 pixels; at most 100 million are decoded. Make it smaller."),
  });
});

test("decodeImage refuses a missing file, a file that is no image, and another format", async () => {
  const file = (name: string, content: string | Buffer) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const gray = sharp({ create: { width: 2, height: 2, channels: 3, background: "gray" } });
  for (const [path, found] of [
    [file("text.png", "no image"), "an unsupported format"],
    [file("empty.png", ""), "an empty file"],
    [join(folder, "none.png"), "no such file"],
    [folder, "a folder\\. Give the images in it: .*/"],
    [file("a.webp", await gray.webp().toBuffer()), "a WebP image"],
    [file("a.gif", await gray.gif().toBuffer()), "a GIF image"],
    [file("a.avif", await gray.avif().toBuffer()), "an AVIF image"],
    [file("a.tiff", await gray.tiff().toBuffer()), "a TIFF image"],
    [file("a.bmp", "BM"), "a BMP image"],
  ] as const) {
    await expect(decodeImage(path, { height: 2, width: 2 })).rejects.toMatchObject({
      code: "ERR_IMAGE_FILE",
      message: expect.stringMatching(new RegExp(`Expected a PNG or JPEG image at ${path}, got: .*${found}`)),
    });
  }
});
