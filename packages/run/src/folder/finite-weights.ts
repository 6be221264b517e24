/** Checks that all weights are finite. One NaN makes all outputs NaN, and no training mends it. */
import { excerpt, LockstepError } from "@lockstep/errors";

interface Tensor {
  shape: readonly number[];
  data: Float32Array;
}

/** @throws LockstepError ERR_WEIGHTS_NOT_FINITE that names the file, the first such tensor and where in it the number is */
export function assertFinite(path: string, tensors: ReadonlyMap<string, Tensor>): void {
  for (const [name, { shape, data }] of tensors) {
    const index = firstNotFinite(data);
    if (index === undefined) continue;
    const place = `"${excerpt(name)}" [${shape.join(", ")}] at [${placeOf(index, shape).join(", ")}]`;
    const remedy = "Take weights that were saved before the training came apart.";
    throw new LockstepError(
      "ERR_WEIGHTS_NOT_FINITE",
      `${path}: expected finite numbers, found ${data[index]} in ${place}. ${remedy}`,
    );
  }
}

/** A plain loop: a callback for each of the 36 million numbers of an AlexNet takes a second. */
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
