/** `pnpm coordinator`: parses the command line. What coordinates is loaded afterwards, so that `--help` is instant. */
import { tidyArguments } from "@lockstep/config";
import { coordinatorProgram } from "@lockstep/config/programs";

const words = process.argv.slice(2);
const program = coordinatorProgram().parse(tidyArguments(["coordinator", ...words]).slice(1), { from: "user" });
const { coordinateRun } = await import("./coordinate-run.ts");
await coordinateRun(words, program);
