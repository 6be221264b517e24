/** Reads tensors back from the backend. */
import { gpuFault } from "./gpu-fault.ts";
import { tf } from "./tf.ts";

/**
 * Copies a float32 tensor to the CPU. All tensors are read here.
 *
 * On WebGPU the copy is asynchronous: the returned promise rejects if the GPU has had a fault since it was started. On
 * the other backends the values are returned at once, so a gradient function can read them. The caller keeps the tensor
 * and owns the array.
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
