/** The defaults of `verify`, which differ from those of `train`. */
import type { ExplicitOptions } from "../config.ts";
import type { OptionName } from "../options.ts";

const COMMON = { dataset: "shapes", test: false, trainFraction: "1" };
const FIXED = { ...COMMON, maxSteps: "10", sliceRows: "8" };
/** Differences from rounding take some steps to show. */
const FREE = { ...COMMON, maxSteps: "50" };

/** Returns the options of a verified training that was given none, with fixed slices or with free ones. */
export function verifyDefaults(freeSlices: boolean): ExplicitOptions {
  return freeSlices ? FREE : FIXED;
}

/** The defaults as the help of `verify` states them. */
export const verifyDefaultTexts: Partial<Record<OptionName, string>> = {
  dataset: COMMON.dataset,
  trainFraction: COMMON.trainFraction,
  maxSteps: `${FIXED.maxSteps}, or ${FREE.maxSteps} with --free-slices`,
  sliceRows: `${FIXED.sliceRows}, or none with --free-slices`,
};
