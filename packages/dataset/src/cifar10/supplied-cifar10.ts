/** Opens CIFAR-10 on a machine without its files: records come from a supply and are cached on disk. */
import { join } from "node:path";
import { at, defined, excerptOf, LockstepError } from "@lockstep/errors";
import { defaultDataDir } from "../records/data-dir.ts";
import { RecordCache } from "../records/record-cache.ts";
import {
  MAX_RECORDS_PER_REQUEST,
  type RecordSplit,
  type RecordSupply,
  type SuppliedFacts,
} from "../records/record-supply.ts";
import type { RecordsToLoad } from "../records/records.ts";
import { CIFAR10_IMAGES, CIFAR10_RECORD_BYTES, findWrongLabel, readCifar10Record } from "./cifar10.ts";

/** Number of samples in the larger split of CIFAR-10. */
const MAX_SAMPLES = 50_000;

/**
 * Opens CIFAR-10 with records from a supply. Records are cached in the default data folder, under `records/<digest>`,
 * in one file per split.
 *
 * @throws LockstepError ERR_RECORDS if the facts are not CIFAR-10's, ERR_RECORD_CACHE if records cannot be cached
 */
export function openSuppliedCifar10(supply: RecordSupply): { train: RecordsToLoad; test: RecordsToLoad } {
  assertFacts(supply.facts);
  const { trainSamples, testSamples } = supply.facts;
  return { train: suppliedRecords(supply, "train", trainSamples), test: suppliedRecords(supply, "test", testSamples) };
}

function suppliedRecords(supply: RecordSupply, split: RecordSplit, samples: number): RecordsToLoad {
  const folder = join(defaultDataDir("cifar10"), "records", supply.facts.digest);
  const cache = new RecordCache(join(folder, `${split}.records`), CIFAR10_RECORD_BYTES);
  return {
    samples,
    ...CIFAR10_IMAGES,
    async load(indexes) {
      const records = new Uint8Array(indexes.length * CIFAR10_RECORD_BYTES);
      const missing = cache.read(indexes, records);
      for (let start = 0; start < missing.length; start += MAX_RECORDS_PER_REQUEST) {
        const places = missing.slice(start, start + MAX_RECORDS_PER_REQUEST);
        const wanted = Uint32Array.from(places, (place) => at(indexes, place));
        const fetched = await supply.fetch(split, wanted); // waits for the coordinator
        assertRecords(split, wanted, fetched);
        cache.write(wanted, fetched);
        for (const [i, place] of places.entries()) records.set(recordAt(fetched, i), place * CIFAR10_RECORD_BYTES);
      }
      const placeOf = new Map(Array.from(indexes, (index, place) => [index, place]));
      return {
        samples,
        ...CIFAR10_IMAGES,
        read: (index, out) =>
          readCifar10Record(records, defined(placeOf.get(index), `record ${index} to be loaded`), out),
      };
    },
  };
}

const recordAt = (records: Uint8Array, index: number) =>
  records.subarray(index * CIFAR10_RECORD_BYTES, (index + 1) * CIFAR10_RECORD_BYTES);

/** Checks the facts of a supply. The digest becomes a folder name, so it must not contain a path. */
function assertFacts(facts: SuppliedFacts): void {
  const { dataset, digest, trainSamples, testSamples, mean, std } = facts;
  const { channels } = CIFAR10_IMAGES;
  const isCount = (samples: number) => Number.isInteger(samples) && samples >= 1 && samples <= MAX_SAMPLES;
  const arePerChannel = [mean, std].every((values) => values.length === channels && values.every(Number.isFinite));
  const counts = isCount(trainSamples) && isCount(testSamples);
  const areAboveZero = std.every((value) => value > 0);
  if (dataset === "cifar10" && /^[0-9a-f]{64}$/.test(digest) && counts && arePerChannel && areAboveZero) return;
  throw new LockstepError(
    "ERR_RECORDS",
    `Expected facts about cifar10 from the coordinator: a sha256 digest, 1 to ${MAX_SAMPLES} samples in each split, and ` +
      `${channels} means and stds above 0; got ${excerptOf(facts, 500)}. Run the same version of Lockstep on both machines, ` +
      "or pass the folder of the data set's files with --data-dir.",
  );
}

function assertRecords(split: RecordSplit, wanted: Uint32Array, records: Uint8Array): void {
  const bytes = wanted.length * CIFAR10_RECORD_BYTES;
  if (records.length !== bytes) {
    throw replyError(
      split,
      `${wanted.length} records, ${bytes.toLocaleString("en")} bytes,`,
      `${records.length.toLocaleString("en")} bytes`,
    );
  }
  const wrong = findWrongLabel(records);
  if (wrong === undefined) return;
  throw replyError(split, "labels from 0 to 9", `${wrong.label} in record ${wanted[wrong.index]}`);
}

function replyError(split: RecordSplit, expected: string, got: string): LockstepError {
  return new LockstepError(
    "ERR_RECORDS",
    `Expected ${expected} of the ${split} files from the coordinator, got ${got}. Run the same version of Lockstep on ` +
      "both machines, or pass the folder of the data set's files with --data-dir.",
  );
}
