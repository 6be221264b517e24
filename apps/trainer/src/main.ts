/** The program: `pnpm train …` and the others of package.json start here. */
import { collectSeldom, type LogFormat, tellFailure, tidyArguments } from "@lockstep/run";
import { makeProgram } from "./program.ts";

// Whoever reads the output may leave (`| head`); the training goes on.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

collectSeldom();
let format: LogFormat = "text";
const program = makeProgram().hook("preAction", (_, command) => {
  format = command.opts<{ log?: LogFormat }>().log ?? "text";
});
await program
  .parseAsync(tidyArguments(process.argv.slice(2)), { from: "user" })
  .catch((error) => tellFailure(error, format));
