/** Unwraps values that the code around them guarantees, in place of a non-null assertion. */

/**
 * Returns the element at an index; a negative index counts from the end.
 *
 * @throws RangeError if the array has no such element
 */
export function at<T>(array: ArrayLike<T>, index: number): T {
  const element = array[index < 0 ? array.length + index : index];
  if (element === undefined) throw new RangeError(`Expected an index below ${array.length}, got ${index}.`);
  return element;
}

/**
 * Returns the value, typed as defined.
 *
 * @param what names the value in the error
 * @throws Error if the value is undefined or null
 */
export function defined<T>(value: T | undefined | null, what = "a value"): T {
  if (value === undefined || value === null) throw new Error(`Expected ${what}, got ${value}.`);
  return value;
}
