/** Tensors that tests write to .pth files. */
import type { NamedTensor } from "../safetensors/safetensors.ts";

/** A kernel, a scalar with a name outside ASCII, an empty tensor, and a view of a longer array. */
export const tensors: NamedTensor[] = [
  { name: "conv1.0.weight", shape: [2, 1, 3], data: Float32Array.of(1, -2, 0.5, 1e-30, 3e38, 7) },
  { name: "fc.bïas", shape: [], data: Float32Array.of(42) },
  { name: "empty", shape: [0, 5], data: new Float32Array(0) },
  { name: "view", shape: [2], data: Float32Array.of(8, 9, 10, 11).subarray(1, 3) },
];
