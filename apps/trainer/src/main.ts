/** The program: `pnpm train …` and the others of package.json start here. */
import { LockstepError } from "@lockstep/errors";
import { makeProgram, tidyArguments } from "./program.ts";

try {
  await makeProgram().parseAsync(tidyArguments(process.argv.slice(2)), { from: "user" });
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
