/** Recognizes errors from any source that report a failed memory allocation or too many open files. */
import { codeOf } from "./error-facts.ts";
import { LockstepError } from "./lockstep-error.ts";

/** Maximum number of nested causes to inspect. */
const MAX_CAUSES = 8;

/** Error messages that report a failed memory allocation. */
const OUT_OF_MEMORY = [
  /^Array buffer allocation failed/,
  /^ERR_WORKER_OUT_OF_MEMORY/,
  /\bENOMEM\b/,
  /\bOOM when allocating/,
  /^WebAssembly\.Memory\(\): could not allocate/,
  /^Aborted\(OOM\)/,
  /^Cannot enlarge memory/,
];

/** System error codes for too many open files in this process (EMFILE) or on the whole machine (ENFILE). */
const TOO_MANY_OPEN_FILES = /\b(EMFILE|ENFILE)\b/;

/**
 * Returns an error that explains the shortage if `error`, or one of its causes, reports a failed memory allocation or
 * too many open files; otherwise undefined.
 */
export function shortageIn(error: unknown): LockstepError | undefined {
  let cause = error;
  for (let depth = 0; cause instanceof Error && depth < MAX_CAUSES; depth++) {
    const { message } = cause;
    const texts = [codeOf(cause) ?? "", message];
    if (texts.some((text) => TOO_MANY_OPEN_FILES.test(text))) return tooManyOpenFiles(message, cause);
    if (texts.some((text) => OUT_OF_MEMORY.some((pattern) => pattern.test(text)))) return outOfMemory(message, cause);
    cause = cause.cause;
  }
  return undefined;
}

/** Returns the error that a program reports: the shortage behind it, or a LockstepError itself; undefined for a bug. */
export function knownError(error: unknown): LockstepError | undefined {
  return shortageIn(error) ?? (error instanceof LockstepError ? error : undefined);
}

/** Returns the error for too many open files. @param limit the number of files that this process may open, if known */
export function tooManyOpenFiles(reason: string, cause?: unknown, limit?: number): LockstepError {
  const limitText = limit === undefined ? "" : ` Its limit is ${limit}.`;
  const text = `This process cannot open more files and connections (${reason.split("\n", 1)[0]}).${limitText}`;
  return new LockstepError("ERR_OPEN_FILES", `${text} Raise the limit in its shell: ulimit -n 4096`, { cause });
}

function outOfMemory(reason: string, cause: unknown): LockstepError {
  const text = `A memory allocation failed (${reason.split("\n").at(-1)}).`;
  const remedy =
    "Free some memory, raise the limit (ulimit -v, or the container's), or use a smaller model, --batch-size";
  return new LockstepError("ERR_OUT_OF_MEMORY", `${text} ${remedy} or --max-rows. Continue the run with --resume.`, {
    cause,
  });
}
