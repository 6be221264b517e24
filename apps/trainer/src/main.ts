/** The program: `pnpm train …` and the others of package.json start here. */
import { collectSeldom, type LogFormat, outliveReaders, tellFailure, tidyArguments } from "@lockstep/run";
import { makeProgram } from "./program.ts";

outliveReaders();
let format: LogFormat = "text";
const program = makeProgram().hook("preAction", (_, command) => {
  const { log = "text", workers = 1 } = command.opts<{ log?: LogFormat; workers?: number }>();
  format = log;
  if (workers === 1) collectSeldom(); // with more, this process is a coordinator, which goes by the run
});
await program
  .parseAsync(tidyArguments(process.argv.slice(2)), { from: "user" })
  .catch((error) => tellFailure(error, format));
