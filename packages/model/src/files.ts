/** What a process without TensorFlow.js needs of models: it reads what `--model` names, and writes what was trained. */

export { type ModelFile, type ModelSizes, readModelFile, specOf } from "./load/model-file.ts";
export { describeModel } from "./spec/describe.ts";
export { MAX_PARAMETERS, type ModelSpec } from "./spec/spec.ts";
export { specStateDict } from "./spec/spec-state-dict.ts";
export { stableTopology, topologyDigest } from "./tfjs/stable-topology.ts";
export { type TfjsTopology, tfjsTopologySchema, writeTfjsModel } from "./tfjs/tfjs-files.ts";
export { expectStateDict, fitStateDict, prefixLine } from "./weights/fit-state-dict.ts";
export type { ExpectedTensor } from "./weights/state-tensors.ts";
