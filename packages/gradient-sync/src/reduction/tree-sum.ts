/**
 * The order in which a step adds its slices: a binary tree over the slice numbers. Floating-point addition is not
 * associative, so the order determines the bits of a sum. A tree over n slices splits at the largest power of two below
 * n, as in RFC 6962, section 2.1. Whoever holds all slices of a subtree can add them on its own without changing a bit.
 */

/** A subtree: the slices [first, first + slices) of a step. */
export interface Subtree {
  /** Index of its first slice. */
  first: number;
  /** Number of its slices. */
  slices: number;
}

/** Returns the largest subtrees that cover the slices [first, last) of a step with `slices` slices, in slice order. */
export function subtreesOf(first: number, last: number, slices: number): Subtree[] {
  return cover(first, last, { first: 0, slices });
}

function cover(first: number, last: number, tree: Subtree): Subtree[] {
  const end = tree.first + tree.slices;
  if (last <= tree.first || end <= first || first >= last) return [];
  if (first <= tree.first && end <= last) return [tree];
  const left = { first: tree.first, slices: largestPowerOfTwoBelow(tree.slices) };
  const right = { first: left.first + left.slices, slices: tree.slices - left.slices };
  return [...cover(first, last, left), ...cover(first, last, right)];
}

/** Returns the largest power of two below `n`, which is at least 2. */
function largestPowerOfTwoBelow(n: number): number {
  return 2 ** Math.floor(Math.log2(n - 1));
}

/**
 * Adds the sums of subtrees, given in slice order, in the order of the tree. It holds at most one sum for each level of
 * the tree.
 */
export class TreeSum<T> {
  readonly #plus: (left: T, right: T) => T;
  /** Sums of the subtrees so far. Each has more slices than the next. */
  readonly #pending: { sum: T; slices: number }[] = [];

  /** @param plus returns left + right; it may reuse both */
  constructor(plus: (left: T, right: T) => T) {
    this.#plus = plus;
  }

  /** Adds the sum of the next subtree. @param slices number of its slices */
  add(sum: T, slices = 1): void {
    this.#pending.push({ sum, slices });
    // Only two neighbours of equal size are siblings already: a smaller right one may still grow.
    while (this.#pending.at(-1)?.slices === this.#pending.at(-2)?.slices) this.#merge();
  }

  /** Returns the sum of all slices, and starts over. @throws Error if nothing was added */
  total(): T {
    while (this.#merge());
    const last = this.#pending.pop();
    if (last === undefined) throw new Error("Expected at least one slice to be added, got none.");
    return last.sum;
  }

  /** Adds the last two sums. @returns false if there are fewer */
  #merge(): boolean {
    const [left, right] = this.#pending.slice(-2);
    if (left === undefined || right === undefined) return false;
    const sum = this.#plus(left.sum, right.sum);
    this.#pending.splice(-2, 2, { sum, slices: left.slices + right.slices });
    return true;
  }
}

/** Returns the sum of numbers, one for each subtree, in the order of the tree. @param slices of each subtree */
export function treeSum(sums: readonly number[], slices: readonly number[] = sums.map(() => 1)): number {
  const tree = new TreeSum<number>((left, right) => left + right);
  for (const [index, sum] of sums.entries()) tree.add(sum, slices[index]);
  return tree.total();
}
