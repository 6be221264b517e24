/** Does what the command line says: `pnpm train …` and the others. */

import { tidyArguments } from "@lockstep/config";
import { type LogFormat, reportFailure, tuneGarbageCollection } from "@lockstep/run";
import { makeProgram } from "./program.ts";

let format: LogFormat = "text";
const program = makeProgram().hook("preAction", (_, command) => {
  const { log = "text", workers = 1 } = command.opts<{ log?: LogFormat; workers?: number }>();
  format = log;
  if (workers === 1) tuneGarbageCollection(); // with more, this process is a coordinator, which goes by the run
});
await program
  .parseAsync(tidyArguments(process.argv.slice(2)), { from: "user" })
  .catch((error) => reportFailure(error, format));
