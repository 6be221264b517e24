/** Selects test images with their predictions, the misclassified ones first. */
import { cifar10Files, defaultDataDir, openCifar10, openShapes, type Records } from "@lockstep/dataset";
import type { RunSnapshot } from "@lockstep/run/live";

/** An image of the test set with its label and its prediction. */
export interface TestImage {
  /** Index in the test set. */
  index: number;
  label: number;
  prediction: number;
  /** [height, width, channels] bytes, in base64. */
  pixels: string;
}

/** Images of the test set, all of one size in pixels. */
export interface TestImages {
  height: number;
  width: number;
  channels: number;
  images: TestImage[];
}

/** Number of images that the page shows. */
const SHOWN = 48;

/** Returns images of the test set with their predictions; undefined before the test, or without the data set. */
export function testImages({ run, report }: Readonly<RunSnapshot>): TestImages | undefined {
  const { predictions } = report ?? {};
  const records = run && recordsOf(run);
  if (predictions === undefined || records === undefined || predictions.length !== records.samples) return undefined;
  const { height, width, channels } = records;
  const bytes = new Uint8Array(height * width * channels);
  const wrong: TestImage[] = [];
  const right: TestImage[] = [];
  for (const [index, prediction] of predictions.entries()) {
    const label = records.read(index, bytes);
    const kind = label === prediction ? right : wrong;
    if (kind.length < SHOWN) kind.push({ index, label, prediction, pixels: Buffer.from(bytes).toString("base64") });
    if (wrong.length === SHOWN) break;
  }
  return { height, width, channels, images: [...wrong, ...right].slice(0, SHOWN) };
}

function recordsOf({ dataset, dataDir }: NonNullable<RunSnapshot["run"]>): Records | undefined {
  if (dataset === "shapes") return openShapes("test", 32, 32);
  const files = cifar10Files(dataDir ?? defaultDataDir(dataset));
  return files && openCifar10(files).test;
}
