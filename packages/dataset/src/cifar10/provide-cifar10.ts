/** Finds the files of CIFAR-10 where the user says, or downloads them. */
import { LockstepError } from "@lockstep/errors";
import { defaultDataDir } from "../records/data-dir.ts";
import { cifar10Files } from "./cifar10.ts";
import { downloadCifar10 } from "./download-cifar10.ts";
import { type Cifar10Files, describeDataDir } from "./find-cifar10.ts";

/** The folder of a data set's files, and the listeners of their download. */
export interface DataFilesOptions {
  /** The folder of the files. Absent, it is the default folder, and missing files are downloaded into it. */
  dataDir?: string | undefined;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  /** Called with the line that says for which process a download waits. @default ignored */
  log?: ((line: string) => void) | undefined;
}

/**
 * Returns the files of CIFAR-10, after downloading them if need be.
 *
 * @throws LockstepError that says what to do, if there are none and they cannot be downloaded
 */
export async function provideCifar10(options: DataFilesOptions): Promise<Cifar10Files> {
  const found = existingCifar10(options);
  if (found !== undefined) return found;
  const dir = defaultDataDir("cifar10");
  await downloadCifar10({ dir, onProgress: options.onProgress, log: options.log });
  return cifar10Files(dir)!;
}

/**
 * Returns the files that are in place; undefined if the default folder has none.
 *
 * @throws LockstepError ERR_DATA_FILE if the user named a folder that does not have them
 */
export function existingCifar10({ dataDir }: DataFilesOptions): Cifar10Files | undefined {
  const found = cifar10Files(dataDir ?? defaultDataDir("cifar10"));
  if (found !== undefined || dataDir === undefined) return found;
  throw new LockstepError(
    "ERR_DATA_FILE",
    `Expected data_batch_1.bin to data_batch_5.bin and test_batch.bin in ${dataDir}, but ${describeDataDir(dataDir)}. Correct ` +
      "--data-dir, leave it out to have CIFAR-10 downloaded, or train on drawn images: --dataset shapes.",
  );
}
