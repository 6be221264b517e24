/** The program: `pnpm train …` and the others of package.json start here. */
import { startProgram } from "@lockstep/run/start";

await startProgram(() => import("./command.ts"));
