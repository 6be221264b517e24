/** Test helpers of the run package. */
export { derivedForTests } from "./derived.ts";
