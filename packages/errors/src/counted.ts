/** Formats counts for messages and for the lines that programs print. */

/** Returns a count with its noun, "1 worker" or "2 workers". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
