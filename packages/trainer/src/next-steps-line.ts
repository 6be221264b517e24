/** The line that ends a training which was done to its end. */
import { shellWord } from "@lockstep/config";

/** Returns the line that names what a user can do with a finished run. */
export function nextStepsLine(dir: string): string {
  const run = shellWord(dir);
  return `next:    pnpm evaluate --run ${run}, pnpm predict --run ${run} PICTURE, pnpm train --help`;
}
