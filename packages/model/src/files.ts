/** What a process without TensorFlow.js needs of models: what `--model` names, and whether weights and layers are its. */

export { type ModelFile, type ModelSizes, readModelFile, specOf } from "./load/model-file.ts";
export { describeModel } from "./spec/describe.ts";
export { MAX_PARAMETERS, type ModelSpec } from "./spec/spec.ts";
export { stableTopology, topologyDigest } from "./tfjs/stable-topology.ts";
export { expectStateDict, fitStateDict, prefixLine } from "./weights/fit-state-dict.ts";
export { specStateDict } from "./weights/spec-state-dict.ts";
export type { ExpectedTensor } from "./weights/state-tensors.ts";
