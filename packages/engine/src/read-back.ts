import { tf } from "./tf.ts";

/**
 * Copies a float32 tensor to the CPU; the only place where tensors are read.
 *
 * On WebGPU the copy is asynchronous, so a promise comes back. On every other backend it is there at once, which
 * allows reading inside a gradient function. The caller keeps the tensor and owns the array.
 */
export function readBack(tensor: tf.Tensor): Float32Array | Promise<Float32Array> {
  if (tf.getBackend() === "webgpu") return tensor.data<"float32">();
  return tensor.dataSync<"float32">();
}
