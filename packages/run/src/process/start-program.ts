/**
 * The entry point of each program. It imports almost nothing, so that it can report in one line why the rest cannot be
 * loaded.
 */
import { readFileSync } from "node:fs";
import { knownError, tooManyOpenFiles } from "@lockstep/errors";
import { logFormatOf, reportFailure } from "../terminal/log.ts";
import { outliveReaders } from "./closed-output.ts";

/** Node opens so many files at once when it loads a program from its sources. */
const LEAST_OPEN_FILES = 128;

/** Loads and runs a program. Reports a known error, such as a shortage of memory or files, in one line. */
export async function startProgram(load: () => Promise<unknown>): Promise<void> {
  outliveReaders();
  const format = logFormatOf(process.argv);
  process.on("uncaughtException", (error) => {
    if (knownError(error) === undefined) console.error(error);
    else reportFailure(error, format);
    process.exit(1);
  });
  try {
    assertFileLimit();
    await load();
  } catch (error) {
    reportFailure(error, format);
  }
}

/** @throws LockstepError ERR_OPEN_FILES */
function assertFileLimit(): void {
  const limit = openFilesLimit();
  if (limit < LEAST_OPEN_FILES) throw tooManyOpenFiles(`it needs ${LEAST_OPEN_FILES} to start`, undefined, limit);
}

/** Returns how many files this process may have open; known on Linux only. */
function openFilesLimit(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
