/** Recognizes errors that report failed memory allocation or too few open files, whatever threw them. */
import { LockstepError } from "./lockstep-error.ts";

const MAX_CAUSES = 8;

/** Error messages that report failed memory allocation. */
const OUT_OF_MEMORY = [
  /^Array buffer allocation failed/,
  /^ERR_WORKER_OUT_OF_MEMORY/,
  /\bENOMEM\b/,
  /\bOOM when allocating/,
  /^WebAssembly\.Memory\(\): could not allocate/,
  /^Aborted\(OOM\)/,
  /^Cannot enlarge memory/,
];

/** The codes for too many open files of this process (EMFILE) or of the whole machine (ENFILE). */
const TOO_MANY_OPEN_FILES = /\b(EMFILE|ENFILE)\b/;

/**
 * Explains an error that comes of too little memory or too few open files, or that has one for its cause.
 *
 * @returns undefined for any other error
 */
export function shortageIn(error: unknown): LockstepError | undefined {
  let cause = error;
  for (let depth = 0; cause instanceof Error && depth < MAX_CAUSES; depth++) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const texts = [code ?? "", message];
    if (texts.some((text) => TOO_MANY_OPEN_FILES.test(text))) return tooManyOpenFiles(message, cause);
    if (texts.some((text) => OUT_OF_MEMORY.some((pattern) => pattern.test(text)))) return outOfMemory(message, cause);
    cause = cause.cause;
  }
  return undefined;
}

/** The error that a program tells of: itself if it was thrown on purpose, or what it says of a shortage. */
export function knownError(error: unknown): LockstepError | undefined {
  return shortageIn(error) ?? (error instanceof LockstepError ? error : undefined);
}

/** @param limit how many files this process may have open, if that is known */
export function tooManyOpenFiles(reason: string, cause?: unknown, limit?: number): LockstepError {
  const limitText = limit === undefined ? "" : ` It may have ${limit} open.`;
  const text = `This process cannot open more files and connections (${reason.split("\n", 1)[0]}).${limitText}`;
  return new LockstepError("ERR_OPEN_FILES", `${text} Raise the limit in its shell: ulimit -n 4096`, { cause });
}

function outOfMemory(reason: string, cause: unknown): LockstepError {
  const text = `This machine refuses the memory that is needed (${reason.split("\n").at(-1)}).`;
  const remedy =
    "Free some, raise the limit (ulimit -v, or the container's), or need less: a smaller model, --batch-size";
  return new LockstepError("ERR_OUT_OF_MEMORY", `${text} ${remedy} or --max-rows. --resume goes on with a run.`, {
    cause,
  });
}
