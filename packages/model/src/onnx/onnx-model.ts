/** Encodes a model's ONNX file, after checking that the weights match the graph. */
import { encodeOnnx, type Fields, type OnnxFacts } from "@lockstep/formats";
import { assertStateDict } from "../weights/fit-state-dict.ts";
import type { StateDict } from "../weights/state-tensors.ts";
import type { OnnxModelGraph } from "./onnx-graph.ts";

/**
 * Encodes the file as a list of chunks. The weights are not copied.
 *
 * @throws LockstepError ERR_STATE_DICT if the weights do not match the graph, ERR_ONNX_TOO_LARGE beyond 2 GB
 */
export function encodeOnnxModel(graph: OnnxModelGraph, stateDict: StateDict, facts: OnnxFacts): Fields {
  assertStateDict(graph.weights, stateDict);
  return encodeOnnx(graph, stateDict, facts);
}
