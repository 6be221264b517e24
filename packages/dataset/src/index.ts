export type { Augment } from "./augment.ts";
export { type Batch, type BatchOptions, makeBatch } from "./batch.ts";
export type { BatchConfig, BatchMeta, SliceRequest } from "./batch-source.ts";
export { type BatchThread, openBatchThread } from "./batch-thread.ts";
export { type Cifar10Files, cifar10Files, openCifar10 } from "./cifar10.ts";
export { defaultDataDir } from "./data-dir.ts";
export {
  type DataFilesOptions,
  type Dataset,
  type DatasetFacts,
  type DatasetName,
  datasetFacts,
  openDataset,
  prepareDataset,
} from "./dataset.ts";
export { decodeImage } from "./decode-image.ts";
export { type DownloadCifar10Options, downloadCifar10 } from "./download-cifar10.ts";
export {
  channelStatistics,
  type MeanStd,
  type Normalize,
  normalizeTable,
  parseNormalize,
  resolveNormalize,
} from "./normalize.ts";
export { epochOrder, stepsPerEpoch } from "./order.ts";
export type { Records } from "./records.ts";
export { resize, type Size } from "./resize.ts";
export { openShapes } from "./shapes.ts";
export { type Split, splitTrain } from "./split.ts";
