/** The facts of the data sets that are known before one is opened. */
import { CIFAR10_IMAGES } from "./cifar10/cifar10.ts";
import type { DatasetName } from "./records/records.ts";
import { SHAPES_CLASSES } from "./shapes.ts";

/** The classes and the images of a data set. Images are in pixels; those of shapes can have any size. */
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
