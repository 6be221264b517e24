/** The last line of a finished run. */
import { shellWord } from "@lockstep/config";

/** Returns the line with the commands that use a finished run. */
export function nextStepsLine(dir: string): string {
  const run = shellWord(dir);
  return `next:    pnpm evaluate --run ${run}, pnpm predict --run ${run} PICTURE, pnpm train --help`;
}
