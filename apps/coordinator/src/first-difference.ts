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
  return Object.is(a, b) ? undefined : { path: path.join(".").slice(0, MAX_LENGTH), a: short(a), b: short(b) };
}

function isNested(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

const short = (value: unknown) => (JSON.stringify(value) ?? "absent").slice(0, MAX_LENGTH);
