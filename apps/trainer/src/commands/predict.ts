/** `pnpm predict`: classifies images with a trained model. */
import type { PredictOptions } from "@lockstep/config/programs";
import { assertImageExists, decodeImage, normalizeImage } from "@lockstep/dataset";
import { readBack, tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import { openRunFolder } from "@lockstep/run";
import { loadTrainedModel } from "@lockstep/training";

/** Prints the three most probable classes of each image. */
export async function predict(images: string[], { run: dir, ...machine }: PredictOptions): Promise<void> {
  openRunFolder(dir);
  const existing = images.filter(exists); // before the engine starts, since its library may be a long download
  if (existing.length === 0) return;
  const { run, replica } = await loadTrainedModel(dir, machine);
  const { inputShape, mean, std, classes } = run.derived;
  const [height, width, channels] = inputShape;
  for (const path of existing) {
    try {
      const ranked = await rank(await decodeImage(path, { height, width }));
      console.log(`${path}: ${ranked.slice(0, 3).join(", ")}`);
    } catch (error) {
      report(error);
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

function exists(image: string): boolean {
  try {
    assertImageExists(image);
    return true;
  } catch (error) {
    report(error);
    return false;
  }
}

/** Reports an image that cannot be classified. The others still are. */
function report(error: unknown): void {
  if (!(error instanceof LockstepError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
