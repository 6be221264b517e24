/** The limit on the size of tensors on this process's GPU. */
import { LockstepError } from "@lockstep/errors";
import { tf } from "../backend/tf.ts";

/** Limit of this process's device; infinite without one. */
let maxTensorBytes = Number.POSITIVE_INFINITY;

/** Sets the size of the largest tensor that this process's device can bind. */
export function limitTensors(bytes: number): void {
  maxTensorBytes = bytes;
}

/**
 * Checks that a tensor of this shape fits on the GPU. Every element has 4 bytes, whatever its dtype.
 *
 * @param what name of the tensor in the error, capitalized
 * @throws LockstepError ERR_TENSOR_SIZE
 */
export function assertTensorSize(what: string, shape: number[]): void {
  const bytes = 4 * tf.util.sizeFromShape(shape);
  if (bytes <= maxTensorBytes) return;
  const number = (value: number) => value.toLocaleString("en");
  throw new LockstepError(
    "ERR_TENSOR_SIZE",
    `${what} of shape [${shape.join(", ")}] has ${number(bytes)} bytes, but this GPU allows at most ` +
      `${number(maxTensorBytes)}. If it grows with the batch, set a smaller --max-rows; otherwise use a smaller model or ` +
      "another device.",
  );
}
