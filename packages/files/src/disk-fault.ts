/** Tells faults of the disk from those of a network, which look alike. */

/** Codes of writes into an open file, whose errors do not name it. */
const WRITE_CODES = new Set(["ENOSPC", "EDQUOT", "EROFS", "EFBIG", "EIO"]);

/** The fault of the disk behind an error: the error itself, or one that caused it; undefined if there is none. */
export function diskFault(error: unknown): NodeJS.ErrnoException | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  const isOfDisk = WRITE_CODES.has(code ?? "") || (path !== undefined && syscall !== "connect" && syscall !== "listen");
  return isOfDisk ? error : diskFault(error.cause);
}

/** Tells whether a fault means that there is no room left. */
export const isDiskFull = ({ code }: NodeJS.ErrnoException): boolean => code === "ENOSPC" || code === "EDQUOT";
