/** The derived facts of a small run, for tests that write or read a run's config.json. */
import type { Derived } from "../folder/run-file.ts";

/** Returns the facts of a run of two epochs of three steps, with `changes` in their place. */
export function derivedForTests(changes: Partial<Derived> = {}): Derived {
  return {
    lockstep: "0",
    modelName: "M",
    parameters: 1,
    inputShape: [1, 1, 1],
    numClasses: 2,
    classes: ["a", "b"],
    mean: [0],
    std: [1],
    trainSamples: 10,
    validationSamples: 4,
    testSamples: 4,
    stepsPerEpoch: 3,
    steps: 6,
    ...changes,
  };
}
