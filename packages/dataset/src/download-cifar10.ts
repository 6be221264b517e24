/** Getting CIFAR-10 from its official site: download, verify, unpack. Whatever is in place is whole. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { createGunzip } from "node:zlib";
import { LockstepError } from "@lockstep/errors";
import { extract } from "tar-stream";
import { CIFAR10_FOLDER, cifar10Files } from "./cifar10.ts";
import { download, reasonOf } from "./download.ts";

/** Source: https://www.cs.toronto.edu/~kriz/cifar.html, "CIFAR-10 binary version". */
const OFFICIAL = {
  url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
  bytes: 170_052_171,
  md5: "c32a1d4ab5d03f1284b67883e8d87530",
};

export interface DownloadCifar10Options {
  /** Where `cifar-10-batches-bin` is put. */
  dir: string;
  /** @default LOCKSTEP_CIFAR10_URL, else the official site */
  url?: string;
  /** @default that of the official archive */
  bytes?: number;
  /** @default that of the official archive */
  md5?: string;
  /** Longest wait for an answer or the next bytes. @default 30,000 */
  stallMs?: number;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/**
 * Downloads the archive to `cifar-10-binary.tar.gz.partial` and unpacks it to `cifar-10-batches-bin`. A download that
 * was cut continues; besides the .partial file nothing half-written stays.
 *
 * @throws LockstepError ERR_DOWNLOAD or ERR_DATA_ARCHIVE, with the ways out
 */
export async function downloadCifar10(options: DownloadCifar10Options): Promise<void> {
  const { dir, onProgress } = options;
  const { url = process.env["LOCKSTEP_CIFAR10_URL"] || OFFICIAL.url, bytes = OFFICIAL.bytes } = options;
  const { md5 = OFFICIAL.md5, stallMs = 30_000 } = options;
  const path = join(dir, "cifar-10-binary.tar.gz.partial");
  try {
    await mkdir(dir, { recursive: true });
    await download({ url, bytes, path, stallMs, onProgress });
  } catch (cause) {
    throw new LockstepError(
      "ERR_DOWNLOAD",
      `Could not download CIFAR-10 from ${url} to ${dir}: ${reasonOf(cause)}. Run the same command again to continue, ${WAYS_OUT}`,
      { cause },
    );
  }
  try {
    await verify(path, md5);
    await unpack(path, dir);
  } catch (cause) {
    throw new LockstepError(
      "ERR_DATA_ARCHIVE",
      `Expected the archive of CIFAR-10 at ${url}, but ${reasonOf(cause)}. It was deleted: run the same command again, ${WAYS_OUT}`,
      { cause },
    );
  } finally {
    await rm(path, { force: true });
  }
}

const WAYS_OUT =
  "or unpack a copy of cifar-10-binary.tar.gz from elsewhere and name its folder with --data-dir, " +
  "or train on drawn images, which need no files: --dataset shapes.";

async function verify(path: string, md5: string): Promise<void> {
  const hash = createHash("md5");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  const found = hash.digest("hex");
  if (found !== md5) throw new Error(`its md5 should be ${md5} and is ${found}`);
}

/** Unpacks beside the final place and moves the whole folder there at once. */
async function unpack(archive: string, dir: string): Promise<void> {
  const unfinished = join(dir, `${CIFAR10_FOLDER}.unfinished`);
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  try {
    for await (const entry of entriesOf(archive)) {
      if (entry.header.type === "file")
        await writeFile(join(unfinished, basename(entry.header.name)), entry as AsyncIterable<Buffer>);
      else entry.resume();
    }
    if (cifar10Files(unfinished) === undefined) throw new Error("it holds no data_batch_1.bin");
    await rename(unfinished, join(dir, CIFAR10_FOLDER));
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

function entriesOf(archive: string) {
  const entries = extract();
  const gunzip = createGunzip();
  const fail = (error: Error) => entries.destroy(error);
  createReadStream(archive).on("error", fail).pipe(gunzip).on("error", fail).pipe(entries);
  return entries;
}
