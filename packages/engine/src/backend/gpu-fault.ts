/** The first fault of this process's WebGPU device. An operation that fails there throws nothing when it is called. */
import { LockstepError } from "@lockstep/errors";

let fault: LockstepError | undefined;

/** Records what went wrong on the GPU. Only the first fault counts: later ones may follow from it. */
export function recordGpuFault(message: string): void {
  fault ??= new LockstepError("ERR_GPU_FAULT", message);
}

/** Returns what went wrong on the GPU, if anything did. From then on its results are worthless. */
export function gpuFault(): LockstepError | undefined {
  return fault;
}
