/** Opens data sets by name. */
import { openCifar10 } from "./cifar10/cifar10.ts";
import { type DataFilesOptions, existingCifar10, provideCifar10 } from "./cifar10/provide-cifar10.ts";
import { openSuppliedCifar10 } from "./cifar10/supplied-cifar10.ts";
import { channelStatistics, type MeanStd } from "./images/normalize.ts";
import type { Size } from "./images/resize.ts";
import type { RecordSupply } from "./records/record-supply.ts";
import type { DatasetName, Records, RecordsToLoad } from "./records/records.ts";
import { openShapes } from "./shapes.ts";

/** An open data set. */
export interface Dataset {
  name: DatasetName;
  train: Records | RecordsToLoad;
  test: Records | RecordsToLoad;
  /** Returns mean and std of all training images. Shapes, which can have any size, are measured at 32 × 32. */
  measure(): MeanStd;
}

/** Options for the source of a data set's records: files, a download or a supply. */
export interface DatasetOptions extends DataFilesOptions {
  /** Supplies records, instead of a download, when there are no files. */
  supply?: RecordSupply | undefined;
}

/**
 * Opens a data set, and downloads it if necessary.
 *
 * @param options include the size of the model's input: shapes are drawn at this size, CIFAR-10 stays at 32 × 32
 * @throws LockstepError with a remedy if the files are wrong, or missing and cannot be downloaded
 */
export async function openDataset(name: DatasetName, options: DatasetOptions & Size): Promise<Dataset> {
  if (name === "shapes") {
    const { height, width } = options;
    const measure = () => channelStatistics(openShapes("train", 32, 32));
    return { name, train: openShapes("train", height, width), test: openShapes("test", height, width), measure };
  }
  const { supply } = options;
  if (supply !== undefined && existingCifar10(options) === undefined) {
    return { name, ...openSuppliedCifar10(supply), measure: () => supply.facts };
  }
  const { train, test } = openCifar10(await provideCifar10(options));
  return { name, train, test, measure: () => channelStatistics(train) };
}

/**
 * Throws early if the user named a folder that does not have the files. Passes if the user named no folder.
 *
 * @throws LockstepError ERR_DATA_FILE
 */
export function assertDataFiles(name: DatasetName, options: DataFilesOptions): void {
  if (name !== "shapes") existingCifar10(options);
}

/** Downloads a data set if it has neither files nor a supply, so that opening it is fast. */
export async function prepareDataset(name: DatasetName, options: DatasetOptions): Promise<void> {
  assertDataFiles(name, options);
  if (name !== "shapes" && options.supply === undefined) await provideCifar10(options);
}
