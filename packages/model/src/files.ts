/** What a process without TensorFlow.js needs of models: it reads what `--model` names, and writes what was trained. */
export { describeModel } from "./describe.ts";
export { type ExpectedTensor, expectStateDict, fitStateDict, prefixLine } from "./fit-state-dict.ts";
export { type ModelFile, type ModelSizes, readModelFile, specOf } from "./model-file.ts";
export { MAX_PARAMETERS, type ModelSpec } from "./spec.ts";
export { specStateDict } from "./spec-state-dict.ts";
export { stableTopology, topologyDigest } from "./stable-topology.ts";
export { type TfjsTopology, tfjsTopologySchema, writeTfjsModel } from "./tfjs-files.ts";
