/** Labelled images of one size, as the data sets hold them. */

/** The name of a data set, as `--dataset` takes it. */
export type DatasetName = "cifar10" | "shapes";

/** The sizes that all labelled images of a data set have in common. */
export interface RecordsShape {
  samples: number;
  /** Pixels. */
  height: number;
  /** Pixels. */
  width: number;
  channels: number;
  /** Names of the labels: label 3 is `classes[3]`. */
  classes: readonly string[];
}

/** Labelled images of one size, addressed by index. What the bytes come from is the implementation's affair. */
export interface Records extends RecordsShape {
  /** Writes image `index` as height × width × channels bytes into `out` and returns its label. */
  read(index: number, out: Uint8Array): number;
}

/** Records that are not at hand and must be got before they are read. */
export interface RecordsToLoad extends RecordsShape {
  /**
   * Resolves with records of which those of `indexes` can be read.
   *
   * @throws LockstepError if some cannot be got
   */
  load(indexes: Uint32Array): Promise<Records>;
}
