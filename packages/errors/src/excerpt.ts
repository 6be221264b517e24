/** Shortens text from elsewhere for error messages, and removes characters that control a terminal. */

/** Maximum number of characters of a name or value in a message. */
const MAX_LENGTH = 100;
/** Maximum number of faults in a message. */
const MAX_FAULTS = 20;
/** Maximum number of characters of a fault, which may contain a few names. */
const MAX_FAULT_LENGTH = 500;

/**
 * Returns the text, or its first `max` characters and its length if it is longer. Characters that control a terminal
 * become question marks. The cut never splits a surrogate pair.
 */
export function excerpt(text: string, max = MAX_LENGTH): string {
  const prefix = text.slice(0, max).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
  if (text.length <= max) return prefix;
  return `${prefix.replace(/[\uD800-\uDBFF]$/, "")}… (${text.length} characters)`;
}

/** Returns the start of a value as JSON. A value that is nested too deeply for JSON is described instead. */
export function excerptOf(value: unknown, max = MAX_LENGTH): string {
  try {
    return excerpt(JSON.stringify(value) ?? "nothing", max);
  } catch {
    return "a value that is nested too deeply to show";
  }
}

/** Returns one line per fault, indented by two spaces: at most 20 faults, then a line that counts the rest. */
export function faultLines(faults: readonly string[]): string {
  const more = faults.length > MAX_FAULTS ? [`and ${faults.length - MAX_FAULTS} more`] : [];
  const shown = faults.slice(0, MAX_FAULTS).map((fault) => excerpt(fault, MAX_FAULT_LENGTH));
  return [...shown, ...more].map((line) => `  ${line}`).join("\n");
}
