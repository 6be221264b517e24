/** Parses the command line and runs its command: `pnpm train …` and the others. */

import { tidyArguments } from "@lockstep/config";
import { logFormatOf, reportFailure, tuneGarbageCollection } from "@lockstep/run/start";
import { makeProgram } from "./program.ts";

const program = makeProgram().hook("preAction", (_, command) => {
  const { workers = 1 } = command.opts();
  if (workers === 1) tuneGarbageCollection(); // with more, this process is a coordinator and computes nothing
});
await program
  .parseAsync(tidyArguments(process.argv.slice(2)), { from: "user" })
  .catch((error: unknown) => reportFailure(error, logFormatOf(process.argv)));
