/** Recognizes errors of system calls, such as those of the file system. */

/** Returns whether an error comes from a system call: only such an error has an `errno`. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "errno" in error && error.errno !== undefined;
}

/** Returns whether an error has this code, such as "ENOENT". */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
