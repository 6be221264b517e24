/** Reads a small file, and writes over it in place. */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

/** The content of a file; undefined if there is none. */
export function readIfPresent(path: string): string | undefined {
  return undefinedIfAbsent(() => readFileSync(path, "utf8"));
}

/**
 * Writes over a file in place. If the file is replaced meanwhile, what was written goes with the old one.
 *
 * @param rewrite is given the content, and gives one of the same length, or undefined to leave it
 * @returns the content before; undefined if there is no such file
 */
export function rewriteFile(path: string, rewrite: (content: string) => string | undefined): string | undefined {
  const file = undefinedIfAbsent(() => openSync(path, "r+"));
  if (file === undefined) return undefined;
  try {
    const content = readFileSync(file, "utf8");
    const next = rewrite(content);
    if (next !== undefined) writeSync(file, next, 0);
    return content;
  } finally {
    closeSync(file);
  }
}

function undefinedIfAbsent<Value>(act: () => Value): Value | undefined {
  try {
    return act();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
