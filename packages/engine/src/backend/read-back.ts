/** Reads tensors back from the backend. */
import { gpuFault } from "./gpu-fault.ts";
import { tf } from "./tf.ts";

/**
 * Copies a float32 tensor to the CPU; the only place where tensors are read.
 *
 * On WebGPU the copy is asynchronous, so a promise comes back, which rejects if anything went wrong on the GPU since
 * it was started. On every other backend it is there at once, which allows reading inside a gradient function. The
 * caller keeps the tensor and owns the array.
 *
 * @throws LockstepError ERR_GPU_FAULT
 */
export function readBack(tensor: tf.Tensor): Float32Array | Promise<Float32Array> {
  return tf.getBackend() === "webgpu" ? readFromGpu(tensor) : tensor.dataSync<"float32">();
}

async function readFromGpu(tensor: tf.Tensor): Promise<Float32Array> {
  const values = await tensor.data<"float32">().catch((error) => {
    throw gpuFault() ?? error;
  });
  const fault = gpuFault();
  if (fault) throw fault;
  return values;
}
