/** `pnpm worker`: parses the command line. What computes is loaded afterwards, so that `--help` is instant. */
import { tidyArguments } from "@lockstep/config";
import { workerProgram } from "@lockstep/config/programs";

const program = workerProgram().parse(tidyArguments(["worker", ...process.argv.slice(2)]).slice(1), { from: "user" });
const { joinRun } = await import("./join-run.ts");
await joinRun(program.opts());
