/** Labelled images of one size, addressed by index. What the bytes come from is the implementation's affair. */
export interface Records {
  samples: number;
  /** Pixels. */
  height: number;
  /** Pixels. */
  width: number;
  channels: number;
  /** Names of the labels: label 3 is `classes[3]`. */
  classes: readonly string[];
  /** Writes image `index` as height × width × channels bytes into `out` and returns its label. */
  read(index: number, out: Uint8Array): number;
}
