/** Compares the order of additions with the definition of the tree, which a recursive function writes down independently. */
import { expect, test } from "vitest";
import { subtreesOf, TreeSum, treeSum } from "./tree-sum.ts";

/** Adds texts in parentheses, so that a sum shows its order. */
const written = () => new TreeSum<string>((left, right) => `(${left}${right})`);

/** Returns the order in which `slices` slices are added, if they arrive as these subtrees. */
function order(subtrees: readonly { first: number; slices: number }[]): string {
  const tree = written();
  for (const { first, slices } of subtrees) tree.add(recursive(first, slices), slices);
  return tree.total();
}

/** Writes the tree over the slices [first, first + slices) from its definition, as an independent oracle. */
function recursive(first: number, slices: number): string {
  if (slices === 1) return String.fromCharCode(97 + first);
  let left = 1;
  while (left * 2 < slices) left *= 2;
  return `(${recursive(first, left)}${recursive(first + left, slices - left)})`;
}

const singly = (slices: number) => Array.from({ length: slices }, (_, first) => ({ first, slices: 1 }));

test.each([
  [1, "a"],
  [2, "(ab)"],
  [3, "((ab)c)"],
  [4, "((ab)(cd))"],
  [5, "(((ab)(cd))e)"],
  [6, "(((ab)(cd))(ef))"],
  [7, "(((ab)(cd))((ef)g))"],
])("%i slices are added in the order of the tree", (slices, expected) => {
  expect([order(singly(slices)), recursive(0, slices)]).toEqual([expected, expected]);
});

test("any cut of the slices into shares gives the same order", () => {
  for (let slices = 1; slices <= 20; slices++) {
    for (let one = 0; one <= slices; one++) {
      for (let two = one; two <= slices; two++) {
        const shares = [[0, one] as const, [one, two] as const, [two, slices] as const];
        const subtrees = shares.flatMap(([first, last]) => subtreesOf(first, last, slices));
        expect(order(subtrees)).toBe(recursive(0, slices));
      }
    }
  }
});

test("a share is covered by as few subtrees as possible", () => {
  expect(subtreesOf(0, 8, 8)).toEqual([{ first: 0, slices: 8 }]);
  expect(subtreesOf(1, 7, 8)).toEqual([
    { first: 1, slices: 1 },
    { first: 2, slices: 2 },
    { first: 4, slices: 2 },
    { first: 6, slices: 1 },
  ]);
  expect(subtreesOf(4, 7, 7)).toEqual([{ first: 4, slices: 3 }]);
  expect(subtreesOf(3, 3, 8)).toEqual([]);
});

test("numbers are added in the order of the tree, not from left to right", () => {
  const numbers = [1e16, 1, 1, 1];
  // (1e16 + 1) + (1 + 1), where 1e16 + 1 rounds to 1e16
  expect([treeSum(numbers), numbers.reduce((total, next) => total + next, 0)]).toEqual([1e16 + 2, 1e16]);
});

test("a sum holds at most one subtree for each level", () => {
  let live = 0;
  let most = 0;
  const tree = new TreeSum<null>(() => {
    live -= 1;
    return null;
  });
  for (let slice = 0; slice < 1000; slice++) {
    live += 1;
    most = Math.max(most, live);
    tree.add(null);
  }
  expect(most).toBeLessThanOrEqual(Math.ceil(Math.log2(1000)) + 1);
});

test("a tree without slices has no sum", () => {
  expect(() => written().total()).toThrow("Expected at least one slice to be added, got none.");
});
