/** Opens the data sets by name. */
import { LockstepError } from "@lockstep/errors";
import { cifar10Files, openCifar10 } from "./cifar10/cifar10.ts";
import { downloadCifar10 } from "./cifar10/download-cifar10.ts";
import { type Cifar10Files, describeDataDir } from "./cifar10/find-cifar10.ts";
import { openSuppliedCifar10 } from "./cifar10/supplied-cifar10.ts";
import { defaultDataDir } from "./data-dir.ts";
import type { DatasetName } from "./dataset-facts.ts";
import { channelStatistics, type MeanStd } from "./images/normalize.ts";
import type { Size } from "./images/resize.ts";
import type { RecordSupply } from "./records/record-supply.ts";
import type { Records, RecordsToLoad } from "./records/records.ts";
import { openShapes } from "./shapes.ts";

/** An open data set. */
export interface Dataset {
  name: DatasetName;
  train: Records | RecordsToLoad;
  test: Records | RecordsToLoad;
  /** Mean and std of all training images; of shapes, which have any size, those of 32 × 32. */
  measure(): MeanStd;
}

/** Where the files of a data set are, and how their download is reported. */
export interface DataFilesOptions {
  /** Where the files are. Without it they are in the default folder, and are downloaded into it if they are not. */
  dataDir?: string | undefined;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  /** Told for which process a download waits. @default nobody is */
  log?: ((line: string) => void) | undefined;
}

/** Where the records of a data set come from. */
export interface DatasetOptions extends DataFilesOptions {
  /** Where records come from, instead of a download, when there are no files. */
  supply?: RecordSupply | undefined;
}

/**
 * Opens a data set, after downloading it if need be.
 *
 * @param options with the size of the model's input; shapes are drawn at it, CIFAR-10 stays at 32 × 32
 * @throws LockstepError that says what to do, if there are no files or wrong ones and the site is out of reach
 */
export async function openDataset(name: DatasetName, options: DatasetOptions & Size): Promise<Dataset> {
  if (name === "shapes") {
    const { height, width } = options;
    const measure = () => channelStatistics(openShapes("train", 32, 32));
    return { name, train: openShapes("train", height, width), test: openShapes("test", height, width), measure };
  }
  const { supply } = options;
  if (supply !== undefined && findCifar10(options) === undefined) {
    return { name, ...openSuppliedCifar10(supply), measure: () => supply.facts };
  }
  const { train, test } = openCifar10(await provideCifar10(options));
  return { name, train, test, measure: () => channelStatistics(train) };
}

/**
 * Finds out early whether a folder that the user named has the files. None is fine: they can be had otherwise.
 *
 * @throws LockstepError ERR_DATA_FILE
 */
export function expectDataFiles(name: DatasetName, options: DataFilesOptions): void {
  if (name !== "shapes") findCifar10(options);
}

/** Makes sure that the files of a data set, or a supply of its records, are in place, so that opening it is quick. */
export async function prepareDataset(name: DatasetName, options: DatasetOptions): Promise<void> {
  expectDataFiles(name, options);
  if (name !== "shapes" && options.supply === undefined) await provideCifar10(options);
}

/** The files of CIFAR-10, downloaded if need be. */
export async function provideCifar10(options: DataFilesOptions): Promise<Cifar10Files> {
  const found = findCifar10(options);
  if (found !== undefined) return found;
  const dir = defaultDataDir("cifar10");
  await downloadCifar10({ dir, onProgress: options.onProgress, log: options.log });
  return cifar10Files(dir)!;
}

/** Undefined if the default folder has no files. A folder that the user named must have them. */
function findCifar10({ dataDir }: DataFilesOptions): Cifar10Files | undefined {
  const found = cifar10Files(dataDir ?? defaultDataDir("cifar10"));
  if (found !== undefined || dataDir === undefined) return found;
  throw new LockstepError(
    "ERR_DATA_FILE",
    `Expected data_batch_1.bin to data_batch_5.bin and test_batch.bin in ${dataDir}, but ${describeDataDir(dataDir)}. Correct ` +
      "--data-dir, leave it out to have CIFAR-10 downloaded, or train on drawn images: --dataset shapes.",
  );
}
