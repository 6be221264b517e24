/** What a process without TensorFlow.js needs of models: it reads what `--model` names, and writes what was trained. */
export { type ModelFile, readModelFile } from "./model-file.ts";
export { MAX_PARAMETERS, type ModelSpec } from "./spec.ts";
export { stableTopology, topologyDigest } from "./stable-topology.ts";
export { expectStateDict } from "./state-dict.ts";
export { type TfjsTopology, tfjsTopologySchema, writeTfjsModel } from "./tfjs-files.ts";
