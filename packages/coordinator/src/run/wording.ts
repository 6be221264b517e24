/** Formats sizes for the lines that a coordinator prints. */

/** Returns a size in the unit that fits it, such as "12.7 MB" or "3.4 kB". */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return bytes >= 1e3 ? `${(bytes / 1e3).toFixed(1)} kB` : `${Math.round(bytes)} B`;
}
