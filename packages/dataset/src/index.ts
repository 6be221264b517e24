/** The dataset package: data sets by name, their sample order, and their batches, which a thread makes. */
export { type Batch, makeBatch } from "./batches/batch.ts";
export { type BatchMeta, openBatchSource, type SliceRequest } from "./batches/batch-source.ts";
export { type BatchThread, openBatchThread } from "./batches/batch-thread.ts";
export { cifar10Files, openCifar10 } from "./cifar10/cifar10.ts";
export { openRecordSource, type RecordSource } from "./cifar10/record-source.ts";
export { assertDataFiles } from "./dataset.ts";
export { datasetFacts } from "./dataset-facts.ts";
export { assertImageExists, decodeImage, decodeImageBytes, MAX_IMAGE_BYTES } from "./images/decode-image.ts";
export { assertNormalizeOption, normalizeImage, parseNormalize } from "./images/normalize.ts";
export { defaultDataDir } from "./records/data-dir.ts";
export type { RecordSplit, RecordSupply, SuppliedFacts } from "./records/record-supply.ts";
export type { Records } from "./records/records.ts";
export { openShapes } from "./shapes.ts";
