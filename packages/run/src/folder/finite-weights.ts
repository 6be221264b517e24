/** Checks that all weights are finite. One NaN makes all outputs NaN, and training cannot recover from it. */
import { excerpt, LockstepError } from "@lockstep/errors";

interface Tensor {
  shape: readonly number[];
  data: Float32Array;
}

/** Throws LockstepError ERR_WEIGHTS_NOT_FINITE, with the file, the tensor and the index of the first such number. */
export function assertFinite(path: string, tensors: ReadonlyMap<string, Tensor>): void {
  for (const [name, { shape, data }] of tensors) {
    const index = firstNotFinite(data);
    if (index === undefined) continue;
    const place = `"${excerpt(name)}" [${shape.join(", ")}] at [${placeOf(index, shape).join(", ")}]`;
    const remedy = "Use weights that were saved before the training diverged.";
    throw new LockstepError(
      "ERR_WEIGHTS_NOT_FINITE",
      `${path}: expected finite numbers, found ${data[index]} in ${place}. ${remedy}`,
    );
  }
}

/** Uses a plain loop: a callback for each of the 36 million numbers of AlexNet takes a second. */
function firstNotFinite(data: Float32Array): number | undefined {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return i;
  return undefined;
}

/** Returns the index of an element along each axis. */
function placeOf(index: number, shape: readonly number[]): number[] {
  let rest = index;
  return shape
    .toReversed()
    .map((length) => {
      const along = rest % length;
      rest = (rest - along) / length;
      return along;
    })
    .reverse();
}
