/** Unwraps a value that a test expects to be defined. */

/**
 * Returns the value, typed as present.
 *
 * @param what names the value in the error
 * @throws Error if the value is undefined or null
 */
export function defined<T>(value: T | undefined | null, what = "value"): T {
  if (value === undefined || value === null) throw new Error(`Expected the ${what} to be defined, got ${value}.`);
  return value;
}
