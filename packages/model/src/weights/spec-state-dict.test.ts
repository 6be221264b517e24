/** Compares the state dict of a spec with that of the built model, for random specs. */
import { tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { alexnet } from "../architectures/alexnet.ts";
import { alexnetCifar10 } from "../architectures/alexnet-cifar10.ts";
import { buildModel } from "../spec/build.ts";
import { describeModel } from "../spec/describe.ts";
import type { ModelSpec } from "../spec/spec.ts";
import { specs } from "../testing/small-specs.ts";
import { specStateDict } from "./spec-state-dict.ts";
import { stateDictNames } from "./state-dict.ts";

beforeAll(() => tf.setBackend("cpu"));

/** Returns the names and shapes of the built model. */
function ofBuilt(spec: ModelSpec) {
  const model = buildModel(spec);
  const names = stateDictNames(model, spec).map(({ name, torchShape }) => ({ name, torchShape }));
  model.dispose();
  return names;
}

function isBuildable(spec: ModelSpec): boolean {
  try {
    describeModel(spec);
    buildModel(spec).dispose();
    return true;
  } catch (error) {
    if (error instanceof LockstepError) return false;
    throw error;
  }
}

test("a spec's state dict is that of the model built from it: AlexNet, and random specs", () => {
  for (const spec of [alexnet(), alexnetCifar10({ numClasses: 7, inputChannels: 1 })]) {
    expect(specStateDict(spec)).toEqual(ofBuilt(spec));
  }
  fc.assert(
    fc.property(specs, (spec) => {
      fc.pre(isBuildable(spec));
      expect(specStateDict(spec)).toEqual(ofBuilt(spec));
    }),
    { numRuns: 50 },
  );
});
