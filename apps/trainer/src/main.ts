/** Entry point of `pnpm train …` and the other commands in package.json. */
import { startProgram } from "@lockstep/run/start";

await startProgram(() => import("./command.ts"));
