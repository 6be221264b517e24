/** Starts a program before its command is known. It loads little, so that `--help` is instant. */
export { logFormatOf, reportFailure } from "../terminal/log.ts";
export { tuneGarbageCollection } from "./gc-tuning.ts";
export { startProgram } from "./start-program.ts";
