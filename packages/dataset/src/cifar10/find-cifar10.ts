/** Finds the files of CIFAR-10's binary version in a folder, or describes the folder's content. */
import { accessSync, constants, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { pathKind } from "@lockstep/files";

/** The folder inside the official archive. */
export const CIFAR10_FOLDER = "cifar-10-batches-bin";
const TRAIN_FILES = [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`);
const TEST_FILES = ["test_batch.bin"];
/** Matches the names of folders that are still being unpacked. */
const UNFINISHED = /\.(unfinished|tmp)$/;

/** The paths of the files of each split of CIFAR-10. */
export interface Cifar10Files {
  train: string[];
  test: string[];
}

/**
 * Returns the paths where the six files are, or should be: in `dir`; in `cifar-10-batches-bin` inside it, also if that
 * was unpacked into a folder of the same name; or in the one subfolder that has any of them. Case does not matter.
 *
 * @returns undefined if none of the files exists
 * @throws LockstepError ERR_DATA_FILE if several subfolders have some of the files
 */
export function findCifar10Files(dir: string): Cifar10Files | undefined {
  const folder = [[dir], named(dir), subfolders(dir).flatMap(named), subfolders(dir)]
    .map(onlyOneWithFiles)
    .find(Boolean);
  if (folder === undefined) return undefined;
  const existing = namesIn(folder);
  const pathOf = (name: string) =>
    join(folder, existing.find((one) => one === name) ?? existing.find(hasName(name)) ?? name);
  return { train: TRAIN_FILES.map(pathOf), test: TEST_FILES.map(pathOf) };
}

/** Describes the content of a folder that the user named and that does not have the files. */
export function describeDataDir(dir: string): string {
  const kind = pathKind(dir);
  if (kind === "nothing") return "this folder does not exist";
  const own = kind === "file" ? [basename(dir)] : namesIn(dir);
  const names = [...own, ...subfolders(dir).flatMap(namesIn)].map((name) => name.toLowerCase());
  const format = OTHER_FORMATS.find(({ pattern }) => names.some((name) => pattern.test(name)));
  if (format !== undefined) return `found ${format.name}: ${BINARY_NEEDED}`;
  const archive = own.find((name) => unpackerOf(name) !== undefined);
  if (archive !== undefined)
    return `found the archive ${archive}: unpack it (${unpackerOf(archive)}) and give its folder`;
  if (kind === "file") return "it is a file";
  if (hasFoldersOfPictures(dir)) return `found folders of pictures: ${BINARY_NEEDED}`;
  if (names.length === 0) return isReadable(dir) ? "it is empty" : "it cannot be read";
  return `found none of them, but ${someOf(namesIn(dir))}`;
}

/** Data sets and formats that users mistake for the binary version, by file names that only they have. */
const OTHER_FORMATS = [
  { name: "CIFAR-100", pattern: /^cifar-100|^(fine|coarse)_label_names/ },
  { name: "the Python version of CIFAR-10", pattern: /^cifar-10-(batches-py|python)|^data_batch_\d$|^batches\.meta$/ },
  { name: "the Matlab version of CIFAR-10", pattern: /^cifar-10-(batches-mat|matlab)|^data_batch_\d\.mat$/ },
  ...["parquet", "arrow", "tfrecord", "npz", "npy", "h5"].map((format) => ({
    name: `*.${format} files`,
    pattern: new RegExp(`\\.${format}(-|$)`),
  })),
];
const BINARY_NEEDED = "the binary version is needed, from cifar-10-binary.tar.gz";

/** The command that unpacks an archive, by the end of its name; the first match counts. */
const UNPACKERS = [
  { command: "tar -xf", end: /\.(tar(\.\w+)?|tgz|txz|tbz2?|tzst)$/i },
  { command: "unzip", end: /\.zip$/i },
  { command: "7z x", end: /\.(7z|rar)$/i },
  { command: "gunzip", end: /\.gz$/i },
  { command: "bunzip2", end: /\.bz2$/i },
  { command: "unxz", end: /\.xz$/i },
  { command: "unzstd", end: /\.zst$/i },
];
const unpackerOf = (name: string) => UNPACKERS.find(({ end }) => end.test(name))?.command;

/** Returns whether pictures are in folders by class, or by split and class. */
function hasFoldersOfPictures(dir: string): boolean {
  return subfolders(dir).some((folder) => isOfPictures(folder) || subfolders(folder).some(isOfPictures));
}

/** Returns whether at least half of a folder's content is pictures. */
function isOfPictures(dir: string): boolean {
  const names = namesIn(dir);
  const pictures = names.filter((name) => /\.(png|jpe?g|bmp|ppm)$/i.test(name));
  return pictures.length > 0 && 2 * pictures.length >= names.length;
}

const someOf = (names: readonly string[]) =>
  names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");

const hasName = (name: string) => (one: string) => one.toLowerCase() === name;

/** Returns the subfolders with the name of the folder in the archive. */
const named = (dir: string) => subfolders(dir).filter((path) => hasName(CIFAR10_FOLDER)(basename(path)));

function onlyOneWithFiles(folders: readonly string[]): string | undefined {
  const found = folders.filter((folder) =>
    namesIn(folder).some((name) => [...TRAIN_FILES, ...TEST_FILES].some((wanted) => hasName(wanted)(name))),
  );
  if (found.length < 2) return found[0];
  const text = `Expected one folder with the files of CIFAR-10, found several: ${found.join(", ")}. Pass one of them`;
  throw new LockstepError("ERR_DATA_FILE", `${text} with --data-dir.`);
}

function subfolders(dir: string): string[] {
  const paths = namesIn(dir).flatMap((name) => (UNFINISHED.test(name) ? [] : join(dir, name)));
  return paths.filter((path) => pathKind(path) === "folder");
}

function isReadable(dir: string): boolean {
  try {
    accessSync(dir, constants.R_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Returns the names in a folder, sorted; none if the folder does not exist or this user may not read it. */
function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch {
    return [];
  }
}
