/** The command line of a small training, on which most tests of `pnpm train` are based. */
import { tinyModel } from "./program.ts";

/** Trains the small model on shapes: 31 batches of 256 and one of 64 in each epoch. */
export const tinyTraining: readonly string[] = [
  "train",
  ...["--model", tinyModel, "--dataset", "shapes", "--batch-size", "256", "--lr", "0.05"],
];
