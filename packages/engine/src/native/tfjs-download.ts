/** Downloads the libtensorflow that tfjs-node's install script would download. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { diskFault, makeFolders } from "@lockstep/files";
import { download, reasonOf, redactedUrl } from "@lockstep/outbound";
import { Unavailable } from "../backend/unavailable.ts";
import { runCommand } from "../host/command.ts";

/** Longest wait for a response or for the next bytes. */
const STALL_MS = 30_000;

/**
 * Downloads what the install script of tfjs-node 4.22 would put into its package: libtensorflow into `dir/deps` and, on
 * request, the ready-made addon into `dir/lib/napi-v8`, which finds the library through that layout. Like the script,
 * it uses the server in TFJS_NODE_CDN_STORAGE, else Google's.
 *
 * @throws Unavailable ERR_TFJS_DOWNLOAD or ERR_CACHE
 */
export async function fetchTfjsLibrary(
  version: string,
  dir: string,
  { withAddon, log }: { withAddon: boolean; log: (line: string) => void },
): Promise<void> {
  const host = process.env["TFJS_NODE_CDN_STORAGE"] || "https://storage.googleapis.com/";
  const library = `${host}tensorflow/libtensorflow/libtensorflow-cpu-linux-x86_64-${version}.tar.gz`;
  await fetchArchive(library, join(dir, "deps"), log);
  if (!withAddon) return;
  const addon = `${host}tf-builds/pre-built-binary/napi-v8/4.22.0/CPU-linux-4.22.0.tar.gz`;
  await fetchArchive(addon, join(dir, "lib/napi-v8"), log, ["--strip-components=1"]);
}

async function fetchArchive(
  url: string,
  dir: string,
  log: (line: string) => void,
  tarOptions: string[] = [],
): Promise<void> {
  makeFolders(dir);
  const archive = join(dir, "archive.tar.gz");
  try {
    log(`downloading ${redactedUrl(url)}`);
    await download({ url, path: archive, stallMs: STALL_MS });
  } catch (error) {
    const fault = diskFault(error);
    if (fault !== undefined) throw cacheError(dir, fault);
    throw unavailable(`${redactedUrl(url)} could not be downloaded: ${reasonOf(error).replace(/\.$/, "")}.`, error);
  }
  const { status, stderr } = await runCommand("tar", ["-xzf", archive, "-C", dir, ...tarOptions]);
  if (status !== 0) throw unavailable(`${redactedUrl(url)} could not be unpacked: ${stderr.trim()}.`);
  rmSync(archive);
}

function cacheError(dir: string, fault: Error): Unavailable {
  const remedy = "Free disk space, or set LOCKSTEP_CACHE to another folder.";
  return new Unavailable("ERR_CACHE", `${dir} is not writable: ${fault.message}.`, remedy, { cause: fault });
}

function unavailable(reason: string, cause?: unknown): Unavailable {
  const remedy = "Check the network, or set LOCKSTEP_LIBTENSORFLOW to the folder of a libtensorflow.";
  return new Unavailable("ERR_TFJS_DOWNLOAD", reason, remedy, { cause });
}
