/** The facts of a run that the playground's page needs beside the model. */

/** The content of /run.json. */
export interface PlaygroundFacts {
  modelName: string;
  parameters: number;
  dataset: string;
  /** Training steps. */
  steps: number;
  /** [height, width, channels] */
  inputShape: readonly [number, number, number];
  /** Class names, by label. */
  classes: readonly string[];
  /** Mean of each channel, with pixel values scaled to 0 to 1. */
  mean: number[];
  /** Standard deviation of each channel, on the same scale. */
  std: number[];
}
