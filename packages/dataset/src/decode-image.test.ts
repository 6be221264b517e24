import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "./cifar10-for-tests.ts";
import { decodeImage } from "./decode-image.ts";

let folder: string;
beforeAll(() => {
  folder = temporaryFolder();
});
afterAll(() => rmSync(folder, { recursive: true }));

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

describe("decodeImage", () => {
  test("keeps the bytes of an image of the right size", async () => {
    const bytes = [1, 2, 3, 40, 50, 60, 70, 80, 90, 200, 210, 220];
    expect(await decoded(await png(2, 2, 3, bytes), 2, 2)).toEqual(bytes);
  });

  test("turns gray into three equal channels", async () => {
    const path = join(folder, "gray.png");
    await sharp(Uint8Array.of(7, 200), { raw: { width: 2, height: 1, channels: 1 } })
      .toColourspace("b-w")
      .png()
      .toFile(path);
    expect((await sharp(path).metadata()).channels).toBe(1);
    expect(await decoded(path, 1, 2)).toEqual([7, 7, 7, 200, 200, 200]);
  });

  test("puts transparent pixels on white", async () => {
    expect(await decoded(await png(2, 1, 4, [...red, 0, ...blue, 255]), 1, 2)).toEqual([255, 255, 255, ...blue]);
  });

  test("takes the middle of a wide image", async () => {
    const row = [...red, ...red, ...blue, ...blue, ...red, ...red];
    expect(await decoded(await png(6, 2, 3, [...row, ...row]), 2, 2)).toEqual([...blue, ...blue, ...blue, ...blue]);
  });

  test("scales a photo down to the size", async () => {
    const path = join(folder, "photo.jpg");
    await sharp({ create: { width: 640, height: 480, channels: 3, background: { r: 200, g: 100, b: 50 } } })
      .jpeg({ quality: 100 })
      .toFile(path);
    const bytes = await decoded(path, 32, 32);
    expect(bytes.length).toBe(32 * 32 * 3);
    for (const [i, byte] of bytes.entries()) expect(Math.abs(byte - [200, 100, 50][i % 3]!)).toBeLessThanOrEqual(2);
  });

  test("turns a photo as its EXIF data say", async () => {
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

  test("names a file that is missing, or no image", async () => {
    const text = join(folder, "text.png");
    writeFileSync(text, "no image");
    for (const [path, found] of [
      [text, "unsupported image format"],
      [join(folder, "none.png"), "missing"],
    ] as const) {
      await expect(decodeImage(path, { height: 2, width: 2 })).rejects.toMatchObject({
        code: "ERR_IMAGE_FILE",
        message: expect.stringMatching(new RegExp(`Expected a PNG or JPEG image at ${path}, found: .*${found}`)),
      });
    }
  });
});
