/** The first fault of this process's WebGPU device. A failed operation does not throw where it is called. */
import { LockstepError } from "@lockstep/errors";

let fault: LockstepError | undefined;

/** Records a fault of the GPU. Only the first one counts: later ones may follow from it. */
export function recordGpuFault(message: string): void {
  fault ??= new LockstepError("ERR_GPU_FAULT", message);
}

/** Returns the first fault of the GPU, if any. Results that are read after it are worthless. */
export function gpuFault(): LockstepError | undefined {
  return fault;
}
