/** Finds the flags that share a word with an unknown one, such as --num-epochs for --epochs. */

/** Words that occur in too many flags to mean anything. */
const FILLERS = new Set(["no", "per", "max", "min", "num"]);

/**
 * Returns the flags that are most similar to the unknown flag: with the most words in common, and the fewest others.
 * Returns none if no flag shares a word.
 */
export function similarFlags(unknown: string, flags: readonly string[]): string[] {
  const asked = wordsOf(unknown);
  const candidates = flags.flatMap((flag) => {
    const words = wordsOf(flag);
    const common = words.filter((word) => asked.includes(word)).length;
    return common === 0 ? [] : { flag, score: 2 * common - words.length };
  });
  const best = Math.max(...candidates.map(({ score }) => score));
  return candidates.filter(({ score }) => score === best).map(({ flag }) => flag);
}

/** Returns the words of a flag, each in the singular. */
function wordsOf(flag: string): string[] {
  const words = flag.toLowerCase().split(/[-_]+/);
  return words.filter((word) => word !== "" && !FILLERS.has(word)).map((word) => word.replace(/s$/, ""));
}
