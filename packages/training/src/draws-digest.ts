/** Identifies the code that draws random numbers, so that workers with different code do not train together. */
import { createHash } from "node:crypto";
import { openBatchSource } from "@lockstep/dataset";
import { normals } from "@lockstep/random";
import { dropoutMask } from "./dropout.ts";

/**
 * Returns the SHA-256, in hex, of numbers drawn for a fixed seed: initial weights, a dropout mask, and a batch of
 * drawn, shuffled and augmented images. It is the same on every machine, so it also detects two versions of the code
 * with the same arithmetic version by mistake.
 */
export async function drawsDigest(): Promise<string> {
  const [seed, epoch, size] = [1, 2, 8];
  const source = await openBatchSource({
    dataset: "shapes",
    height: size,
    width: size,
    trainFraction: 0.8,
    seed,
    normalize: "half",
    augment: "flip-crop",
    shuffle: true,
  });
  const { images, labels, sampleIds } = await source.make({ split: "train", epoch, start: 0, end: 8 });
  const weights = normals(seed, "init", [0, 0, 0], 64);
  const mask = dropoutMask({ seed, step: 3, sampleIds }, 0, 0.5, 64);
  const hash = createHash("sha256");
  for (const { buffer } of [weights, images, labels, sampleIds, mask]) hash.update(new Uint8Array(buffer));
  return hash.digest("hex");
}
