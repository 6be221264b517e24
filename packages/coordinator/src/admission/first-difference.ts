/** Compares what two workers tell of a run. */
import { excerpt, excerptOf } from "@lockstep/errors";

/** Where two pieces of JSON differ first, and what stands there, cut short. */
export interface Difference {
  /** "model.config.layers.1.config.activation" */
  path: string;
  a: string;
  b: string;
}

/** Of the path and of each value, in characters. */
const MAX_LENGTH = 200;

/** In the order of `a`'s fields; undefined if they are equal. */
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
