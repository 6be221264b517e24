/** `pnpm predict`: what a trained model takes pictures for. */
import { decodeImage, normalizeTable } from "@lockstep/dataset";
import { readBack, tf } from "@lockstep/engine";
import type { MachineOptions } from "@lockstep/run";
import { loadTrainedModel } from "../trained-model.ts";

export async function predict(
  images: string[],
  { run: dir, ...machine }: MachineOptions & { run: string },
): Promise<void> {
  const { run, replica } = await loadTrainedModel(dir, machine);
  const { inputShape, mean, std, classes } = run.derived;
  const [height, width, channels] = inputShape;
  const table = normalizeTable({ mean, std });
  for (const path of images) {
    const bytes = await decodeImage(path, { height, width });
    const probabilities = tf.tidy(() => {
      const values = Float32Array.from(bytes, (byte, i) => table[(i % channels) * 256 + byte]!);
      return replica.predict(tf.tensor4d(values, [1, height, width, channels])).softmax();
    });
    const values = await readBack(probabilities);
    probabilities.dispose();
    const ranked = classes
      .map((name, index) => ({ name, probability: values[index]! }))
      .sort((a, b) => b.probability - a.probability);
    const top = ranked.slice(0, 3).map(({ name, probability }) => `${name} ${(100 * probability).toFixed(1)}%`);
    console.log(`${path}: ${top.join(", ")}`);
  }
}
