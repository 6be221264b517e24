/** Formats counts for the lines that a run prints. */

/** Returns a count with its noun, "1 worker" or "2 workers". */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
