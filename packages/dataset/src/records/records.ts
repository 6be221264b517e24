/** Labelled images of one size: the common interface of the data sets. */

/** The name of a data set, as `--dataset` takes it. */
export type DatasetName = "cifar10" | "shapes";

/** The number, size and classes of a split's images. */
export interface RecordsShape {
  samples: number;
  /** Height in pixels. */
  height: number;
  /** Width in pixels. */
  width: number;
  channels: number;
  /** Names of the labels: label 3 is `classes[3]`. */
  classes: readonly string[];
}

/** Labelled images of one size, read by index. */
export interface Records extends RecordsShape {
  /** Writes image `index` as height × width × channels bytes into `out` and returns its label. */
  read(index: number, out: Uint8Array): number;
}

/** Records that must be loaded before they can be read. */
export interface RecordsToLoad extends RecordsShape {
  /**
   * Loads the records of `indexes`. Only these can be read from the result.
   *
   * @throws LockstepError if some cannot be loaded
   */
  load(indexes: Uint32Array): Promise<Records>;
}
