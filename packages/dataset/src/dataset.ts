/** The data sets by name. */
import { LockstepError } from "@lockstep/errors";
import { CIFAR10_CLASSES, type Cifar10Files, cifar10Files, openCifar10 } from "./cifar10.ts";
import { defaultDataDir } from "./data-dir.ts";
import { downloadCifar10 } from "./download-cifar10.ts";
import type { Records } from "./records.ts";
import type { Size } from "./resize.ts";
import { openShapes, SHAPES_CLASSES } from "./shapes.ts";

export type DatasetName = "cifar10" | "shapes";

export interface Dataset {
  name: DatasetName;
  train: Records;
  test: Records;
  /** All training images, for measuring their mean and std; of shapes, which have any size, those of 32 × 32. */
  measured: Records;
}

/** What is known of a data set before it is opened. Images are in pixels; those of shapes can have any size. */
export interface DatasetFacts {
  classes: readonly string[];
  height: number;
  width: number;
  channels: number;
}

export function datasetFacts(name: DatasetName): DatasetFacts {
  return { classes: name === "shapes" ? SHAPES_CLASSES : CIFAR10_CLASSES, height: 32, width: 32, channels: 3 };
}

export interface DataFilesOptions {
  /** Where the files are. Without it they are in the default folder, and are downloaded into it if they are not. */
  dataDir?: string | undefined;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/**
 * Opens a data set, after downloading it if need be.
 *
 * @param size of the model's input; shapes are drawn at it, CIFAR-10 stays at 32 × 32
 * @throws LockstepError that says what to do, if there are no files or wrong ones and the site is out of reach
 */
export async function openDataset(name: DatasetName, options: DataFilesOptions & Size): Promise<Dataset> {
  if (name === "shapes") {
    const { height, width } = options;
    const measured = openShapes("train", 32, 32);
    return { name, train: openShapes("train", height, width), test: openShapes("test", height, width), measured };
  }
  const { train, test } = openCifar10(await provideCifar10(options));
  return { name, train, test, measured: train };
}

/** Makes sure that the files of a data set are in place, so that opening it is quick. */
export async function prepareDataset(name: DatasetName, options: DataFilesOptions): Promise<void> {
  if (name === "cifar10") await provideCifar10(options);
}

async function provideCifar10({ dataDir, onProgress }: DataFilesOptions): Promise<Cifar10Files> {
  const dir = dataDir ?? defaultDataDir("cifar10");
  const found = cifar10Files(dir);
  if (found !== undefined) return found;
  if (dataDir !== undefined) {
    throw new LockstepError(
      "ERR_DATA_FILE",
      `Expected data_batch_1.bin to data_batch_5.bin and test_batch.bin in ${dir}, found none of them. Correct ` +
        "--data-dir, leave it out to have CIFAR-10 downloaded, or train on drawn images: --dataset shapes.",
    );
  }
  await downloadCifar10({ dir, onProgress });
  return cifar10Files(dir)!;
}
