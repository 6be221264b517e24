/** Verifies an export: loads it as its users will, and compares its predictions with the run's model. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readBack, tf } from "@lockstep/engine";
import { at, LockstepError, messageOf } from "@lockstep/errors";
import { uniforms } from "@lockstep/random";

/** Computes logits [rows, classes] from images [rows, height, width, channels]. */
export type Predict = (images: tf.Tensor4D) => tf.Tensor;

/** An exported model at its temporary path. */
export interface Exported {
  /** Name of the format in errors: "ONNX file". */
  format: string;
  /** The file or folder that it becomes once it is verified. */
  path: string;
  load(): Promise<Predict> | Predict;
  /** The remedy if the verification fails. */
  remedy: string;
}

const ROWS = 4;
/** Largest difference of a logit, relative to its spread over the images: sums are rounded in another order. */
const TOLERANCE = 0.01;
/** Largest difference relative to the largest logit, for a net whose logits hardly depend on the images. */
const ROUNDING = 1e-5;

/**
 * Checks that the export predicts what the model does, for a few images of random pixels.
 *
 * @throws LockstepError ERR_EXPORT if it cannot be loaded or predicts something else
 * @throws any error of one of the two predictions
 */
export async function assertSamePredictions(
  model: Predict,
  inputShape: readonly [number, number, number],
  exported: Exported,
): Promise<void> {
  const predict = await loadPredict(exported);
  const images = randomImages(inputShape);
  try {
    const expected = await logitsOf(model, images);
    const reason = differenceOf(await logitsOf(predict, images), expected);
    if (reason !== undefined) throw exportError(exported, reason);
  } finally {
    images.dispose();
  }
}

async function loadPredict(exported: Exported): Promise<Predict> {
  try {
    return await exported.load();
  } catch (cause) {
    throw exportError(exported, `it could not be loaded (${messageOf(cause)})`, { cause });
  }
}

function exportError({ format, path, remedy }: Exported, reason: string, options?: ErrorOptions): LockstepError {
  const text = `Expected the ${format} to predict what the run's model does, but ${reason}.`;
  return new LockstepError("ERR_EXPORT", `${text} Nothing was written to ${path}; ${remedy}.`, options);
}

function randomImages([height, width, channels]: readonly [number, number, number]): tf.Tensor4D {
  return tf.tidy(() => {
    const shape: [number, number, number, number] = [ROWS, height, width, channels];
    const values = uniforms(0, "init", [0, 0, 0], ROWS * height * width * channels);
    return tf.tensor4d(values, shape).mul<tf.Tensor4D>(4).sub<tf.Tensor4D>(2);
  });
}

/** Describes a difference of the logits beyond rounding, if there is one. */
function differenceOf(actual: Float32Array, expected: Float32Array): string | undefined {
  if (actual.length !== expected.length)
    return `it returns ${actual.length / ROWS} logits for an image, not ${expected.length / ROWS}`;
  const gap = largestGap(actual, expected);
  if (gap <= TOLERANCE * spreadOf(expected) + ROUNDING * Math.max(...expected.map(Math.abs))) return undefined;
  return gap === 0 ? undefined : `a logit differs by ${gap.toPrecision(3)}`;
}

async function logitsOf(predict: Predict, images: tf.Tensor4D): Promise<Float32Array> {
  const logits = tf.tidy(() => predict(images));
  const values = await readBack(logits);
  logits.dispose();
  return values;
}

/** Returns the largest difference: NaN if only one value is NaN; equal non-finite values count as equal. */
function largestGap(a: Float32Array, b: Float32Array): number {
  return Math.max(...a.map((value, i) => (Object.is(value, b[i]) ? 0 : Math.abs(value - at(b, i)))));
}

/** Returns the largest spread of a class's logit over the images. */
function spreadOf(logits: Float32Array): number {
  const classes = logits.length / ROWS;
  const spreads = Array.from({ length: classes }, (_, index) => {
    const column = Array.from({ length: ROWS }, (_, row) => at(logits, row * classes + index));
    return Math.max(...column) - Math.min(...column);
  });
  return Math.max(...spreads);
}

/**
 * Describes the files that `writeTfjsModel` wrote.
 *
 * @param path the folder that they become
 * @param folder the temporary folder
 */
export function tfjsExport(path: string, folder: string): Exported {
  return {
    format: "model for TensorFlow.js",
    path,
    load: () => loadTfjs(folder),
    remedy:
      "register each custom layer class with tf.serialization.registerClass, and return all options of its constructor " +
      "from its getConfig",
  };
}

/** Loads `model.json` and `weights.bin` of a folder as plain TensorFlow.js loads them over HTTP. */
async function loadTfjs(folder: string): Promise<Predict> {
  const { weightsManifest, ...artifacts } = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
  const weightData = new Uint8Array(readFileSync(join(folder, "weights.bin"))).buffer;
  const source = tf.io.fromMemory({ ...artifacts, weightSpecs: weightsManifest[0].weights, weightData });
  const model = await tf.loadLayersModel(source);
  return (images) => model.predict(images) as tf.Tensor;
}
