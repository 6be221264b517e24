/** The names of the data sets, and what is known of one before it is opened. */
import { CIFAR10_IMAGES } from "./cifar10/cifar10.ts";
import { SHAPES_CLASSES } from "./shapes.ts";

/** The name of a data set, as `--dataset` takes it. */
export type DatasetName = "cifar10" | "shapes";

/** What is known of a data set before it is opened. Images are in pixels; those of shapes can have any size. */
export interface DatasetFacts {
  classes: readonly string[];
  height: number;
  width: number;
  channels: number;
}

/** Returns what is known of a data set without opening it. */
export function datasetFacts(name: DatasetName): DatasetFacts {
  return name === "shapes" ? { classes: SHAPES_CLASSES, height: 32, width: 32, channels: 3 } : CIFAR10_IMAGES;
}
