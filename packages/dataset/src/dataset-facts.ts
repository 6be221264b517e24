/** Facts about the data sets that are known without opening them. */
import { CIFAR10_IMAGES } from "./cifar10/cifar10.ts";
import type { DatasetName } from "./records/records.ts";
import { SHAPES_CLASSES } from "./shapes.ts";

/** The classes and the image size of a data set, in pixels. Shapes can have any size; 32 × 32 is the default. */
export interface DatasetFacts {
  classes: readonly string[];
  height: number;
  width: number;
  channels: number;
}

/** Returns the facts about a data set without opening it. */
export function datasetFacts(name: DatasetName): DatasetFacts {
  return name === "shapes" ? { classes: SHAPES_CLASSES, height: 32, width: 32, channels: 3 } : CIFAR10_IMAGES;
}
