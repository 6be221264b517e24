/** Checks where data sets are looked for, and the errors on a machine that cannot download. */
import { mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { test as withFolder } from "@lockstep/testing";
import { expect, vi } from "vitest";
import { openDataset, prepareDataset } from "./dataset.ts";
import { channelStatistics } from "./images/normalize.ts";
import { defaultDataDir } from "./records/data-dir.ts";
import { openShapes } from "./shapes.ts";
import { writeCifar10 } from "./testing/cifar10-for-tests.ts";

/** `folder` is that of the data sets, and nothing can be downloaded. */
const test = withFolder.extend("environment", { auto: true }, ({ folder }, { onCleanup }) => {
  vi.stubEnv("LOCKSTEP_DATA", folder);
  vi.stubEnv("LOCKSTEP_CIFAR10_URL", "http://127.0.0.1:1/cifar-10-binary.tar.gz");
  onCleanup(() => void vi.unstubAllEnvs());
});

test("openDataset draws shapes at the size of the model's input, and measures them at 32 × 32", async () => {
  const { train, test: testRecords, measure } = await openDataset("shapes", { height: 224, width: 224 });
  expect([train.samples, train.height, testRecords.samples, testRecords.width]).toEqual([10_000, 224, 2_000, 224]);
  expect(measure()).toEqual(channelStatistics(openShapes("train", 32, 32)));
});

test("openDataset opens CIFAR-10 from the default folder, at its own size", async ({ folder }) => {
  writeCifar10(join(folder, "cifar10"));
  const { train, test: testRecords, measure } = await openDataset("cifar10", { height: 224, width: 224 });
  expect([train.samples, train.height, testRecords.samples]).toEqual([50_000, 32, 10_000]);
  if (!("read" in train)) throw new Error("Expected records that need not be loaded.");
  expect(measure()).toEqual(channelStatistics(train));
});

test("prepareDataset needs no files for shapes", async () => {
  await prepareDataset("shapes", {});
});

test("prepareDataset names the alternatives if the files are missing and the site is unreachable", async () => {
  await expect(prepareDataset("cifar10", {})).rejects.toMatchObject({
    code: "ERR_DOWNLOAD",
    message: expect.stringMatching(/ECONNREFUSED.*--data-dir.*--dataset shapes/),
  });
});

test("prepareDataset does not download into a named folder, and says which files it expects there", async ({
  folder,
}) => {
  const dataDir = join(folder, "mine");
  mkdirSync(dataDir);
  await expect(prepareDataset("cifar10", { dataDir })).rejects.toMatchObject({
    code: "ERR_DATA_FILE",
    message: expect.stringContaining(`data_batch_5.bin and test_batch.bin in ${dataDir}, but it is empty`),
  });
});

test.for<[what: string, files: string[], given: string, found: string]>([
  [
    "the Python version",
    ["cifar-10-batches-py/data_batch_1", "cifar-10-batches-py/batches.meta"],
    "",
    "found the Python version of CIFAR-10: the binary version is needed",
  ],
  [
    "its folder itself",
    ["cifar-10-batches-py/batches.meta"],
    "cifar-10-batches-py",
    "found the Python version of CIFAR-10",
  ],
  ["the Matlab version", ["data_batch_1.mat"], "", "found the Matlab version of CIFAR-10"],
  ["CIFAR-100", ["cifar-100-binary/train.bin", "cifar-100-binary/test.bin"], "", "found CIFAR-100: the binary version"],
  ["CIFAR-100's folder", ["train.bin", "fine_label_names.txt"], "", "found CIFAR-100: the binary version"],
  ["an archive inside", ["cifar-10-binary.tar.gz"], "", "found the archive cifar-10-binary.tar.gz: unpack it"],
  ["an archive", ["CIFAR-10-binary.TGZ"], "CIFAR-10-binary.TGZ", "found the archive CIFAR-10-binary.TGZ: unpack it"],
  ["Python's archive", ["cifar-10-python.tar.gz"], "", "found the Python version of CIFAR-10"],
  ["Python's archive itself", ["cifar-10-python.tar.gz"], "cifar-10-python.tar.gz", "found the Python version"],
  ["a zip archive", ["CIFAR10.zip"], "", "found the archive CIFAR10.zip: unpack it (unzip) and give"],
  ["a 7z archive", ["train.7z"], "train.7z", "found the archive train.7z: unpack it (7z x) and give"],
  ["an xz archive", ["a.tar.xz"], "", "found the archive a.tar.xz: unpack it (tar -xf) and give"],
  ["a bzip2 archive", ["a.tbz2"], "", "found the archive a.tbz2: unpack it (tar -xf) and give"],
  ["files in gzip", ["data_batch_1.bin.gz"], "", "found the archive data_batch_1.bin.gz: unpack it (gunzip) and give"],
  ["files in bzip2", ["test_batch.bin.bz2"], "", "found the archive test_batch.bin.bz2: unpack it (bunzip2) and"],
  ["the copy of Hugging Face", ["plain_text/train-00000-of-00001.parquet"], "", "found *.parquet files: the binary"],
  ["such a file", ["train.parquet"], "train.parquet", "found *.parquet files: the binary version is needed"],
  ["files of TensorFlow Datasets", ["3.0.2/a.tfrecord-00000-of-00001"], "", "found *.tfrecord files: the binary"],
  ["pictures by class", ["airplane/1.png", "cat/2.png"], "", "found folders of pictures: the binary version"],
  ["pictures by split and class", ["test/cat/2.JPEG"], "", "found folders of pictures: the binary version"],
  [
    "folders with a picture among other files",
    ["images/a.png", "images/b.svg", "images/c.svg"],
    "",
    "found none of them",
  ],
  ["an archive beside pictures", ["a.tar.gz", "plots/loss.png"], "", "found the archive a.tar.gz: unpack it"],
  ["another file", ["notes.txt"], "notes.txt", "it is a file"],
  [
    "other files",
    ["a.png", "b.png", "c.png", "d.png", "e.png"],
    "",
    "found none of them, but a.png, b.png, c.png and 2 more",
  ],
  ["nothing", [], "nowhere", "this folder does not exist"],
])("the error for a --data-dir with %s describes its content", async ([, files, given, found], { folder }) => {
  const dataDir = join(folder, "mine", given);
  for (const file of ["keep", ...files].slice(files.length === 0 ? 0 : 1)) {
    mkdirSync(dirname(join(folder, "mine", file)), { recursive: true });
    writeFileSync(join(folder, "mine", file), "");
  }
  await expect(prepareDataset("cifar10", { dataDir })).rejects.toMatchObject({
    code: "ERR_DATA_FILE",
    message: expect.stringContaining(`in ${dataDir}, but ${found}`),
  });
});

test("the data folder is in LOCKSTEP_DATA, or else in XDG_CACHE_HOME, or else in ~/.cache", ({ folder }) => {
  expect(defaultDataDir("cifar10")).toBe(join(folder, "cifar10"));
  vi.stubEnv("LOCKSTEP_DATA", undefined);
  vi.stubEnv("XDG_CACHE_HOME", "/x");
  expect(defaultDataDir("cifar10")).toBe("/x/lockstep/data/cifar10");
  vi.stubEnv("XDG_CACHE_HOME", "");
  expect(defaultDataDir("cifar10")).toBe(join(homedir(), ".cache/lockstep/data/cifar10"));
});
