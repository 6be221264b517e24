/** The facts of a run that the playground's page needs besides the model. */

/** The content of /run.json. */
export interface PlaygroundFacts {
  modelName: string;
  parameters: number;
  dataset: string;
  /** Updates. */
  steps: number;
  /** [height, width, channels] */
  inputShape: readonly [number, number, number];
  /** Names of the labels. */
  classes: readonly string[];
  /** Mean of each channel, on the scale on which a byte is 0 to 1. */
  mean: number[];
  std: number[];
}
