/** The facts about a local run's model and data, for its config.json. */
import { elementCount } from "@lockstep/formats";
import { tfjsTopologyOf, topologyDigest } from "@lockstep/model";
import type { RunFacts } from "@lockstep/run";
import type { PreparedRun } from "./prepare.ts";

/** Returns the facts. Outputs of the model without a class in the data set get placeholder names. */
export function localRunFacts({ loaded, names, thread }: PreparedRun): RunFacts {
  const { classes, mean, std, trainSamples, validationSamples, testSamples } = thread.meta;
  const placeholders = Array.from(
    { length: loaded.numClasses - classes.length },
    (_, i) => `class ${classes.length + i}`,
  );
  return {
    modelName: loaded.name,
    spec: loaded.spec,
    topologyDigest: topologyDigest(tfjsTopologyOf(loaded.model, names)),
    parameters: names.reduce((total, { torchShape }) => total + elementCount(torchShape), 0),
    inputShape: loaded.inputShape,
    numClasses: loaded.numClasses,
    classes: [...classes, ...placeholders],
    mean,
    std,
    trainSamples,
    validationSamples,
    testSamples,
  };
}
