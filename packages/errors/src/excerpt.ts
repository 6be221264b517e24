/** Text that came from elsewhere, made fit for a message: short, and without characters that rewrite a terminal. */

/** Characters of a name or a value that a message shows. */
const MAX_LENGTH = 100;
/** Faults that a message lists. */
const MAX_FAULTS = 20;
/** Characters of a fault, which may hold a few names. */
const MAX_FAULT_LENGTH = 500;

/**
 * Returns the text, or its beginning and its length if it is longer than `max` characters. Characters that control a
 * terminal become question marks, and no half of a surrogate pair is left at the cut.
 */
export function excerpt(text: string, max = MAX_LENGTH): string {
  const prefix = text.slice(0, max).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
  if (text.length <= max) return prefix;
  return `${prefix.replace(/[\uD800-\uDBFF]$/, "")}… (${text.length} characters)`;
}

/** Returns the beginning of a value as JSON; a value nested too deeply is described instead. */
export function excerptOf(value: unknown, max = MAX_LENGTH): string {
  try {
    return excerpt(JSON.stringify(value) ?? "nothing", max);
  } catch {
    return "something nested too deeply to be shown";
  }
}

/** Returns the faults one to a line, indented by two; of many, the first and how many more there are. */
export function faultLines(faults: readonly string[]): string {
  const more = faults.length > MAX_FAULTS ? [`and ${faults.length - MAX_FAULTS} more`] : [];
  const shown = faults.slice(0, MAX_FAULTS).map((fault) => excerpt(fault, MAX_FAULT_LENGTH));
  return [...shown, ...more].map((line) => `  ${line}`).join("\n");
}
