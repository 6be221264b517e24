/** How large a tensor is. */

/** Returns the number of elements of a tensor with this shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}
