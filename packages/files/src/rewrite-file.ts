/** Reads a small file, and overwrites it in place. */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { hasCode } from "./system-error.ts";

/** Returns the content of a file; undefined if the file does not exist. */
export function readIfPresent(path: string): string | undefined {
  return undefinedIfAbsent(() => readFileSync(path, "utf8"));
}

/**
 * Overwrites a file in place. If another process replaces the file meanwhile, the new file stays as it is.
 *
 * @param rewrite maps the content to one of the same length, or to undefined to leave the file unchanged
 * @returns the previous content; undefined if the file does not exist
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
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}
