/**
 * Makes the WASM backend able to train. The stock backend lacks Conv2DBackpropFilter, and its other matrix kernels of
 * the backward pass are plain loops, 10 to 30 times slower than the forward pass's XNNPACK kernels. Here the backward
 * pass is rebuilt from forward kernels, and two kernels with wrong results are fixed.
 *
 * A rebuilt kernel is written in ordinary ops: while a kernel runs, TensorFlow.js records nothing for gradients, and it
 * accepts a tensor as a kernel's result.
 */
import { LockstepError } from "@lockstep/errors";
import { tf } from "../backend/tf.ts";
import { convBackpropFilter } from "./conv-backprop-filter.ts";
import { convBackpropInput } from "./conv-backprop-input.ts";
import { throwOnFailedAllocation } from "./failed-allocation.ts";
import type { KernelCall } from "./kernel-call.ts";
import { matMulOfTransposed } from "./mat-mul.ts";
import { maxPoolBackprop } from "./max-pool-backprop.ts";
import { withNumericPadding } from "./same-padding.ts";

let installed = false;

/** Makes WASM the backend, with kernels that can train. @throws LockstepError ERR_WASM if it cannot be loaded */
export async function startWasm(): Promise<void> {
  await import("@tensorflow/tfjs-backend-wasm"); // on Node it finds its .wasm files itself, without setWasmPaths
  installWasmKernels();
  if (await tf.setBackend("wasm")) return throwOnFailedAllocation();
  throw new LockstepError(
    "ERR_WASM",
    "TensorFlow.js did not load its WASM module; its warning above has the reason. " +
      "Install the packages again, or choose another backend.",
  );
}

/** Registers the rebuilt kernels for the backend "wasm", whose package must be loaded. A second call does nothing. */
export function installWasmKernels(): void {
  if (installed) return;
  replaceKernel(tf.BatchMatMul, matMulOfTransposed);
  replaceKernel(tf.Conv2DBackpropInput, convBackpropInput);
  replaceKernel(tf.MaxPoolGrad, maxPoolBackprop);
  replaceKernel(tf.Conv2D, withNumericPadding(tf.Conv2D));
  replaceKernel(tf.FusedConv2D, withNumericPadding(tf.FusedConv2D));
  tf.registerKernel({
    kernelName: tf.Conv2DBackpropFilter,
    backendName: "wasm",
    kernelFunc: (call) => convBackpropFilter(call as unknown as Parameters<typeof convBackpropFilter>[0]),
  });
  installed = true;
}

/** Puts `rebuilt` before the stock kernel, which still handles the calls for which it returns undefined. */
function replaceKernel<Call extends KernelCall<object, object>>(
  kernelName: string,
  rebuilt: (call: Call) => tf.Tensor | undefined,
): void {
  const stock = tf.getKernel(kernelName, "wasm");
  tf.unregisterKernel(kernelName, "wasm");
  tf.registerKernel({ ...stock, kernelFunc: (call) => rebuilt(call as unknown as Call) ?? stock.kernelFunc(call) });
}
