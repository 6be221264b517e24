/** `pnpm coordinator`: parses the command line. What coordinates is loaded afterwards, so that `--help` is instant. */
import { tidyArguments } from "@lockstep/config";
import { coordinatorProgram } from "@lockstep/config/programs";

const args = process.argv.slice(2);
const program = coordinatorProgram().parse(tidyArguments(["coordinator", ...args]).slice(1), { from: "user" });
const { coordinateRun } = await import("./coordinate-run.ts");
await coordinateRun(args, program);
