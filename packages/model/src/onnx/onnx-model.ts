/** An ONNX file of a model: its graph with weights that were checked to be those of the graph. */
import { encodeOnnx, type Fields, type OnnxFacts } from "@lockstep/formats";
import { assertStateDict } from "../weights/fit-state-dict.ts";
import type { StateDict } from "../weights/state-tensors.ts";
import type { OnnxModelGraph } from "./onnx-graph.ts";

/**
 * Encodes the file in pieces; the weights among them are not copied.
 *
 * @throws LockstepError ERR_STATE_DICT for other weights than those of the graph, ERR_ONNX_TOO_LARGE beyond 2 GB
 */
export function encodeOnnxModel(graph: OnnxModelGraph, stateDict: StateDict, facts: OnnxFacts): Fields {
  assertStateDict(graph.weights, stateDict);
  return encodeOnnx(graph, stateDict, facts);
}
