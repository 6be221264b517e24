/** `pnpm predict`: classifies images with a trained model. */
import type { PredictOptions } from "@lockstep/config/programs";
import { decodeImage, normalizeImage } from "@lockstep/dataset";
import { readBack, tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import { loadTrainedModel } from "@lockstep/training";

/** Prints the three most probable classes of each image. */
export async function predict(images: string[], { run: dir, ...machine }: PredictOptions): Promise<void> {
  const { run, replica } = await loadTrainedModel(dir, machine);
  const { inputShape, mean, std, classes } = run.derived;
  const [height, width, channels] = inputShape;
  for (const path of images) {
    try {
      const ranked = await rank(await decodeImage(path, { height, width }));
      console.log(`${path}: ${ranked.slice(0, 3).join(", ")}`);
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      console.error(`${error.code}: ${error.message}`); // the other images are still classified
      process.exitCode = 1;
    }
  }

  /** Returns each class with its probability, the most probable first. */
  async function rank(bytes: Uint8Array): Promise<string[]> {
    const input = normalizeImage(bytes, { mean, std });
    const probabilities = tf.tidy(() => replica.predict(tf.tensor4d(input, [1, height, width, channels])).softmax());
    const values = await readBack(probabilities);
    probabilities.dispose();
    const named = [...values].map((probability, index) => ({ probability, name: classes[index] }));
    const ranked = named.sort((a, b) => b.probability - a.probability);
    return ranked.map(({ name, probability }) => `${name} ${(100 * probability).toFixed(1)}%`);
  }
}
