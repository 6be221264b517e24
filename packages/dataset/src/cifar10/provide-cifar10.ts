/** Finds the files of CIFAR-10 in the folder that the user names, or downloads them. */
import { defined, LockstepError } from "@lockstep/errors";
import { defaultDataDir } from "../records/data-dir.ts";
import { cifar10Files } from "./cifar10.ts";
import { type Cifar10Files, describeDataDir } from "./find-cifar10.ts";

/** The folder of a data set's files, and the callbacks of their download. */
export interface DataFilesOptions {
  /** The folder of the files. If absent, missing files are downloaded into the default folder. */
  dataDir?: string | undefined;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  /** Receives the line that names the process which a download waits for. @default ignored */
  log?: ((line: string) => void) | undefined;
}

/**
 * Returns the files of CIFAR-10, and downloads them if necessary.
 *
 * @throws LockstepError with a remedy if there are no files and they cannot be downloaded
 */
export async function provideCifar10(options: DataFilesOptions): Promise<Cifar10Files> {
  const found = existingCifar10(options);
  if (found !== undefined) return found;
  const dir = defaultDataDir("cifar10");
  const { downloadCifar10 } = await import("./download-cifar10.ts"); // loaded here, since most programs have the files
  await downloadCifar10({ dir, onProgress: options.onProgress, log: options.log });
  return defined(cifar10Files(dir), `the files of CIFAR-10 in ${dir}`);
}

/**
 * Returns the existing files; undefined if the default folder has none.
 *
 * @throws LockstepError ERR_DATA_FILE if the user named a folder that does not have them
 */
export function existingCifar10({ dataDir }: DataFilesOptions): Cifar10Files | undefined {
  const found = cifar10Files(dataDir ?? defaultDataDir("cifar10"));
  if (found !== undefined || dataDir === undefined) return found;
  throw new LockstepError(
    "ERR_DATA_FILE",
    `Expected data_batch_1.bin to data_batch_5.bin and test_batch.bin in ${dataDir}, but ${describeDataDir(dataDir)}. Correct ` +
      "--data-dir, omit it to download CIFAR-10, or train on generated images with --dataset shapes.",
  );
}
