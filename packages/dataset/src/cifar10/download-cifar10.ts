/** Downloads CIFAR-10 from its official site, verifies it and unpacks it. A file in its place is always whole. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { createGunzip } from "node:zlib";
import { LockstepError } from "@lockstep/errors";
import { awaitLease, diskFault, isDiskFull, type Lease, makeFolders } from "@lockstep/files";
import { download, reasonOf, redactedUrl } from "@lockstep/outbound";
import { extract } from "tar-stream";
import { cifar10Files } from "./cifar10.ts";
import { CIFAR10_FOLDER } from "./find-cifar10.ts";

/**
 * Source: https://www.cs.toronto.edu/~kriz/cifar.html, "CIFAR-10 binary version". The page gives an MD5, which machines
 * in FIPS mode do not compute; the SHA-256 is that in TensorFlow Datasets' url_checksums/cifar10.txt, among others.
 */
const OFFICIAL = {
  url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
  bytes: 170_052_171,
  sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
};

/** Options of `downloadCifar10`. */
export interface DownloadCifar10Options {
  /** The folder to put `cifar-10-batches-bin` into. */
  dir: string;
  /** @default LOCKSTEP_CIFAR10_URL, else the official site */
  url?: string;
  /** @default that of the official archive */
  bytes?: number;
  /** @default that of the official archive */
  sha256?: string;
  /** Longest wait for an answer or the next bytes. @default 30,000 */
  stallMs?: number;
  /** Certificates to trust, in PEM form. @default those of known authorities */
  ca?: string;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  /** Called with the line that says for which process this one waits. @default ignored */
  log?: ((line: string) => void) | undefined;
}

/**
 * Downloads the archive to `cifar-10-binary.tar.gz.partial` and unpacks it to `cifar-10-batches-bin`. A download that
 * was cut continues; besides the .partial file nothing half-written stays. Of several processes one downloads. An archive
 * is deleted only once it is unpacked, or has proved to be another one.
 *
 * @throws LockstepError ERR_DOWNLOAD, ERR_PROXY, ERR_DATA_ARCHIVE, ERR_NOT_WRITABLE or ERR_DISK_FULL, with the ways out
 */
export async function downloadCifar10(options: DownloadCifar10Options): Promise<void> {
  const { dir, log = () => {} } = options;
  const lease = await acquireFolder(dir, log);
  try {
    if (cifar10Files(dir) === undefined) await downloadTo(dir, options);
  } finally {
    lease.release();
  }
}

/** Waits until no other process downloads into the folder, on this machine or on another one that shares it. */
async function acquireFolder(dir: string, log: (line: string) => void): Promise<Lease> {
  try {
    makeFolders(dir);
    return await awaitLease(join(dir, "download.lease"), dir, `downloading CIFAR-10 to ${dir}`, log);
  } catch (cause) {
    const fault = diskFault(cause);
    if (fault !== undefined) throw diskError(`Could not keep CIFAR-10 in ${dir} (${fault.message}).`, fault);
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
    if (fault !== undefined) throw diskError(`Could not keep CIFAR-10 in ${dir} (${fault.message}).`, fault);
    const code = cause instanceof LockstepError ? cause.code : "ERR_DOWNLOAD";
    const text = `Could not download CIFAR-10 from ${redactedUrl(url)} to ${dir}: ${reasonOf(cause)}`;
    throw new LockstepError(code, `${text.replace(/\.$/, "")}. Run the same command again to continue, ${WAYS_OUT}`, {
      cause,
    });
  }
  try {
    await verify(path, sha256);
    await unpack(path, dir);
  } catch (cause) {
    const fault = diskFault(cause);
    if (fault !== undefined) {
      const text = `CIFAR-10 came, but could not be unpacked in ${dir} (${fault.message}). The archive is kept.`;
      throw diskError(text, fault);
    }
    await rm(path, { force: true });
    throw new LockstepError(
      "ERR_DATA_ARCHIVE",
      `Expected the archive of CIFAR-10 at ${redactedUrl(url)}, but ${reasonOf(cause)}. It was deleted: run the same command again, ${WAYS_OUT}`,
      { cause },
    );
  }
  await rm(path, { force: true });
}

const WAYS_OUT =
  "or unpack a copy of cifar-10-binary.tar.gz from elsewhere and name its folder with --data-dir, " +
  "or train on drawn images, which need no files: --dataset shapes.";

/** The fault of a disk says nothing against the network or the archive. */
function diskError(text: string, fault: NodeJS.ErrnoException): LockstepError {
  const remedy = "Free space there or see to the permissions, and run the same command again";
  return new LockstepError(
    isDiskFull(fault) ? "ERR_DISK_FULL" : "ERR_NOT_WRITABLE",
    `${text} ${remedy}; LOCKSTEP_DATA names another folder.`,
    { cause: fault },
  );
}

async function verify(path: string, sha256: string): Promise<void> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  const found = hash.digest("hex");
  if (found !== sha256) throw new Error(`its sha256 should be ${sha256} and is ${found}`);
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
