/** Sums, means and medians of numbers. */

/** Adds up numbers, in their order; 0 for none. */
export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Returns the mean of numbers; NaN for none. */
export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

/** Returns the middle value, or the mean of the two in the middle; NaN for none. The values stay in their order. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted.length >> 1;
  const lower = sorted.length % 2 === 1 ? upper : upper - 1;
  return mean(sorted.slice(lower, upper + 1));
}
