/** Finds the first difference between the facts of two workers. */
import { excerpt, excerptOf } from "@lockstep/errors";

/** The first difference between two JSON values, with both values shortened. */
export interface Difference {
  /** The path of the difference, such as "model.config.layers.1.config.activation". */
  path: string;
  a: string;
  b: string;
}

/** Maximum length of the path and of each value, in characters. */
const MAX_LENGTH = 200;

/** Returns the first difference in the order of `a`'s fields; undefined if the values are equal. */
export function firstDifference(a: unknown, b: unknown, path: readonly string[] = []): Difference | undefined {
  if (isNested(a) && isNested(b) && Array.isArray(a) === Array.isArray(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const difference = firstDifference(a[key], b[key], [...path, key]);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  if (Object.is(a, b)) return undefined;
  return { path: excerpt(path.join("."), MAX_LENGTH), a: short(a), b: short(b) };
}

function isNested(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

const short = (value: unknown) => (value === undefined ? "absent" : excerptOf(value, MAX_LENGTH));
