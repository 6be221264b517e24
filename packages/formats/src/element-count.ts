/** Counts the elements of tensors. */

/** Returns the number of elements of a shape. An unknown length, such as that of the batch, counts as 1. */
export function elementCount(shape: readonly (number | null)[]): number {
  return shape.reduce<number>((product, length) => product * (length ?? 1), 1);
}
