/** Text that came from elsewhere, made fit for a message: short, and without characters that rewrite a terminal. */

/** Characters of a name or a value that a message shows. */
const MAX_LENGTH = 100;

/**
 * Returns the text, or its beginning and its length if it is longer than `max` characters. Characters that control a
 * terminal become question marks, and no half of a surrogate pair is left at the cut.
 */
export function excerpt(text: string, max = MAX_LENGTH): string {
  const beginning = text.slice(0, max).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
  if (text.length <= max) return beginning;
  return `${beginning.replace(/[\uD800-\uDBFF]$/, "")}… (${text.length} characters)`;
}
