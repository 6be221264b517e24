/** `pnpm coordinator` starts here. */
import { startProgram } from "@lockstep/run/start";

await startProgram(() => import("./command.ts"));
