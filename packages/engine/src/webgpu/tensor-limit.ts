/** The largest tensor that this process's GPU takes. */
import { LockstepError } from "@lockstep/errors";
import { tf } from "../backend/tf.ts";

/** The limit of this process's device; without one every tensor fits. */
let maxTensorBytes = Number.POSITIVE_INFINITY;

/** Sets the largest tensor that this process's device can bind. */
export function limitTensors(bytes: number): void {
  maxTensorBytes = bytes;
}

/**
 * Makes sure that the GPU takes a tensor of this shape. Each of its elements has 4 bytes, whatever its type.
 *
 * @param what names the tensor in the error, with a capital
 * @throws LockstepError ERR_TENSOR_SIZE
 */
export function assertTensorSize(what: string, shape: number[]): void {
  const bytes = 4 * tf.util.sizeFromShape(shape);
  if (bytes <= maxTensorBytes) return;
  const number = (value: number) => value.toLocaleString("en");
  throw new LockstepError(
    "ERR_TENSOR_SIZE",
    `${what} of shape [${shape.join(", ")}] has ${number(bytes)} bytes, and this GPU takes ${number(maxTensorBytes)} ` +
      "at the most. If it grows with the batch, set a smaller --max-rows; else take a smaller model, or another device.",
  );
}
