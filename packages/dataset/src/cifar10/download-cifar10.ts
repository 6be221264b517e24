/** Downloads CIFAR-10 from its official site, verifies it and unpacks it atomically. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { createGunzip } from "node:zlib";
import { LockstepError } from "@lockstep/errors";
import { diskFault, isDiskFull, makeFolders } from "@lockstep/files";
import { awaitLease, type Lease } from "@lockstep/files/lease";
import { download, reasonOf, redactedUrl } from "@lockstep/outbound";
import { extract } from "tar-stream";
import { cifar10Files } from "./cifar10.ts";
import { CIFAR10_FOLDER } from "./find-cifar10.ts";

/**
 * Source: https://www.cs.toronto.edu/~kriz/cifar.html, "CIFAR-10 binary version". The page lists an MD5 digest, which
 * machines in FIPS mode cannot compute. The SHA-256 digest is from TensorFlow Datasets' url_checksums/cifar10.txt.
 */
const OFFICIAL = {
  url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
  bytes: 170_052_171,
  sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
};

/** Options of `downloadCifar10`. */
export interface DownloadCifar10Options {
  /** The folder in which `cifar-10-batches-bin` is created. */
  dir: string;
  /** @default LOCKSTEP_CIFAR10_URL, else the official site */
  url?: string;
  /** Size of the archive. @default that of the official archive */
  bytes?: number;
  /** Digest of the archive. @default that of the official archive */
  sha256?: string;
  /** Size of each of the six files in the archive. @default that of the official ones */
  fileBytes?: number;
  /** Longest wait for a response or the next bytes, in milliseconds. @default 30,000 */
  stallMs?: number;
  /** Certificates to trust, in PEM form. @default those of Node's certificate authorities */
  ca?: string;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  /** Receives the line that names the process which this one waits for. @default ignored */
  log?: ((line: string) => void) | undefined;
}

/**
 * Downloads the archive to `cifar-10-binary.tar.gz.partial` and unpacks it to `cifar-10-batches-bin`. An interrupted
 * download continues at the next call, and leaves no incomplete file but the .partial one. If several processes call
 * this, one of them downloads. The archive is deleted after it is unpacked, or if its digest is wrong.
 *
 * @throws LockstepError ERR_DOWNLOAD, ERR_PROXY, ERR_DATA_ARCHIVE, ERR_NOT_WRITABLE or ERR_DISK_FULL, with the
 *   alternatives
 */
export async function downloadCifar10(options: DownloadCifar10Options): Promise<void> {
  const { dir, log = () => {} } = options;
  const lease = await acquireFolder(dir, log);
  try {
    if (cifar10Files(dir, options.fileBytes) === undefined) await downloadTo(dir, options);
  } finally {
    lease.release();
  }
}

/** Waits until no other process, on this machine or on one that shares the folder, downloads into it. */
async function acquireFolder(dir: string, log: (line: string) => void): Promise<Lease> {
  try {
    makeFolders(dir);
    return await awaitLease(join(dir, "download.lease"), dir, `downloading CIFAR-10 to ${dir}`, log);
  } catch (cause) {
    const fault = diskFault(cause);
    if (fault !== undefined) throw diskError(`Could not store CIFAR-10 in ${dir} (${fault.message}).`, fault);
    throw cause;
  }
}

async function downloadTo(dir: string, options: DownloadCifar10Options): Promise<void> {
  const { onProgress } = options;
  const { url = process.env["LOCKSTEP_CIFAR10_URL"] || OFFICIAL.url, bytes = OFFICIAL.bytes } = options;
  const { sha256 = OFFICIAL.sha256, stallMs = 30_000, ca } = options;
  const path = join(dir, "cifar-10-binary.tar.gz.partial");
  try {
    await download({ url, bytes, path, stallMs, onProgress, ca });
  } catch (cause) {
    const fault = diskFault(cause);
    if (fault !== undefined) throw diskError(`Could not store CIFAR-10 in ${dir} (${fault.message}).`, fault);
    const code = cause instanceof LockstepError ? cause.code : "ERR_DOWNLOAD";
    const text = `Could not download CIFAR-10 from ${redactedUrl(url)} to ${dir}: ${reasonOf(cause)}`;
    throw new LockstepError(
      code,
      `${text.replace(/\.$/, "")}. Run the same command again to continue, ${ALTERNATIVES}`,
      {
        cause,
      },
    );
  }
  try {
    await verify(path, sha256);
    await unpack(path, dir, options.fileBytes);
  } catch (cause) {
    const fault = diskFault(cause);
    if (fault !== undefined) {
      const text = `CIFAR-10 was downloaded, but could not be unpacked in ${dir} (${fault.message}). The archive is kept.`;
      throw diskError(text, fault);
    }
    await rm(path, { force: true });
    throw new LockstepError(
      "ERR_DATA_ARCHIVE",
      `Expected the archive of CIFAR-10 at ${redactedUrl(url)}, but ${reasonOf(cause)}. It was deleted: run the same command again, ${ALTERNATIVES}`,
      { cause },
    );
  }
  await rm(path, { force: true });
}

const ALTERNATIVES =
  "or unpack your own copy of cifar-10-binary.tar.gz and pass its folder with --data-dir, " +
  "or train on generated images, which need no files: --dataset shapes.";

/** Makes the error for a disk fault, for which neither the network nor the archive is to blame. */
function diskError(text: string, fault: NodeJS.ErrnoException): LockstepError {
  const remedy = "Free some space there or change the permissions, and run the same command again";
  return new LockstepError(
    isDiskFull(fault) ? "ERR_DISK_FULL" : "ERR_NOT_WRITABLE",
    `${text} ${remedy}; or set LOCKSTEP_DATA to another folder.`,
    { cause: fault },
  );
}

async function verify(path: string, sha256: string): Promise<void> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  const found = hash.digest("hex");
  if (found !== sha256) throw new Error(`its sha256 is ${found} and should be ${sha256}`);
}

/** Unpacks into a temporary folder and renames that, so that the final folder is always complete. */
async function unpack(archive: string, dir: string, fileBytes?: number): Promise<void> {
  const unfinished = join(dir, `${CIFAR10_FOLDER}.unfinished`);
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  try {
    await writeFilesOf(archive, unfinished);
    if (cifar10Files(unfinished, fileBytes) === undefined) throw new Error("it has no data_batch_1.bin");
    await rename(unfinished, join(dir, CIFAR10_FOLDER));
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Writes the files of an archive to a folder. If reading the archive fails, it throws that error. */
async function writeFilesOf(archive: string, dir: string): Promise<void> {
  const entries = extract();
  const faults: Error[] = [];
  entries.on("error", (fault) => faults.push(fault));
  const fail = (fault: Error) => entries.destroy(fault);
  createReadStream(archive).on("error", fail).pipe(createGunzip()).on("error", fail).pipe(entries);
  try {
    for await (const entry of entries) {
      const { name, type } = entry.header;
      if (type === "file") await writeFile(join(dir, basename(name)), entry as AsyncIterable<Buffer>);
      else entry.resume();
    }
  } catch (error) {
    throw faults[0] ?? error; // an entry that is being read only reports that it was destroyed
  }
}
