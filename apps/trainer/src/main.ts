/** The program: `pnpm train …` and the others of package.json start here. */
import { LockstepError } from "@lockstep/errors";
import { collectSeldom, tidyArguments } from "@lockstep/run";
import { makeProgram } from "./program.ts";

// Whoever reads the output may leave (`| head`); the training goes on.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

collectSeldom();
try {
  await makeProgram().parseAsync(tidyArguments(process.argv.slice(2)), { from: "user" });
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
