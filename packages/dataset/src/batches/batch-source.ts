/** Makes slices of a run's batches from one open data set: its training, validation and test splits. */
import { LockstepError } from "@lockstep/errors";
import { openDataset } from "../dataset.ts";
import type { Augment } from "../images/augment.ts";
import { type Normalize, resolveNormalize } from "../images/normalize.ts";
import { epochOrder } from "../order.ts";
import type { RecordSupply } from "../records/record-supply.ts";
import type { DatasetName, Records, RecordsToLoad } from "../records/records.ts";
import { splitTrain } from "../split.ts";
import { type Batch, makeBatch } from "./batch.ts";

/** The options of a run that determine its batches. */
export interface BatchConfig {
  dataset: DatasetName;
  dataDir?: string | undefined;
  /** Height of the model's input, in pixels. */
  height: number;
  /** Width of the model's input, in pixels. */
  width: number;
  trainFraction: number;
  seed: number;
  normalize: Normalize;
  augment: Augment;
  shuffle: boolean;
}

/** Facts about a run's data, which the run reports and compares between workers. */
export interface BatchMeta {
  dataset: DatasetName;
  classes: readonly string[];
  trainSamples: number;
  validationSamples: number;
  testSamples: number;
  /** Height of the model's input, in pixels. */
  height: number;
  /** Width of the model's input, in pixels. */
  width: number;
  channels: number;
  /** Mean of each channel, as used to normalise. */
  mean: number[];
  /** Standard deviation of each channel, as used to normalise. */
  std: number[];
}

/**
 * Names the samples [start, end) of a split. The training split is in the epoch's order, the others in record order.
 */
export interface SliceRequest {
  split: "train" | "validation" | "test";
  epoch: number;
  start: number;
  end: number;
}

/** Makes the batches of a run. */
export interface BatchSource {
  meta: BatchMeta;
  /** Makes a batch. @throws LockstepError if the split has no such samples or the supply fails */
  make(slice: SliceRequest): Promise<Batch>;
}

/**
 * Opens the data set of a run.
 *
 * @param supply provides the records if there are no files
 */
export async function openBatchSource(config: BatchConfig, supply?: RecordSupply): Promise<BatchSource> {
  const { height, width, seed, augment } = config;
  const { train, test, measure } = await openDataset(config.dataset, { ...config, supply });
  const { mean, std } = resolveNormalize(config.normalize, train.channels, measure);
  const { train: trainIndexes, validation: validationIndexes } = splitTrain(train.samples, config.trainFraction, seed);
  const testOrder = Uint32Array.from({ length: test.samples }, (_, index) => index);
  let shuffled = { epoch: -1, order: trainIndexes };

  function trainOrder(epoch: number): Uint32Array {
    if (shuffled.epoch !== epoch) shuffled = { epoch, order: epochOrder(trainIndexes, seed, epoch, config) };
    return shuffled.order;
  }

  function recordsOf({ split, epoch }: SliceRequest): SplitRecords {
    if (split === "train") return { records: train, order: trainOrder(epoch), augment };
    if (split === "validation") return { records: train, order: validationIndexes, augment: "none" };
    return { records: test, order: testOrder, augment: "none" };
  }

  return {
    meta: {
      dataset: config.dataset,
      classes: train.classes,
      trainSamples: trainIndexes.length,
      validationSamples: validationIndexes.length,
      testSamples: test.samples,
      height,
      width,
      channels: train.channels,
      mean,
      std,
    },
    async make(slice) {
      const { order, augment, records: source } = recordsOf(slice);
      assertRange(slice, order.length);
      const records = await loaded(source, order.subarray(slice.start, slice.end));
      return makeBatch({ ...slice, order, augment, records, seed, normalize: { mean, std }, height, width });
    },
  };
}

interface SplitRecords {
  records: Records | RecordsToLoad;
  /** Indices into the records. */
  order: Uint32Array;
  augment: Augment;
}

async function loaded(records: Records | RecordsToLoad, indexes: Uint32Array): Promise<Records> {
  return "load" in records ? records.load(indexes) : records;
}

function assertRange({ split, start, end }: SliceRequest, samples: number): void {
  if (start >= 0 && start < end && end <= samples) return;
  throw new LockstepError(
    "ERR_SLICE",
    `Expected a slice inside the ${samples} samples of the ${split} split, got [${start}, ${end}).`,
  );
}
