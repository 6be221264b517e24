/** The model package's functions that need no TensorFlow.js: model files, shape tables, state dicts and topologies. */

export { type ModelFile, readModelFile, specOf } from "./load/model-file.ts";
export { describeModel } from "./spec/describe.ts";
export { MAX_PARAMETERS, type ModelSpec } from "./spec/spec.ts";
export { stableTopology, topologyDigest } from "./tfjs/stable-topology.ts";
export { fitStateDict, prefixLine } from "./weights/fit-state-dict.ts";
export { DEFAULT_INIT } from "./weights/init.ts";
export { specStateDict } from "./weights/spec-state-dict.ts";
export type { ExpectedTensor } from "./weights/state-tensors.ts";
