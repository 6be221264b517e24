/** Distinguishes disk errors from network errors, which look alike. */

/** Codes of errors from writes to an open file. Such an error does not name the file. */
const WRITE_CODES = new Set(["ENOSPC", "EDQUOT", "EROFS", "EFBIG", "EIO"]);

/** Returns the disk error behind an error: the error itself or one of its causes; undefined if there is none. */
export function diskFault(error: unknown): NodeJS.ErrnoException | undefined {
  if (!(error instanceof Error)) return undefined;
  const fault: NodeJS.ErrnoException = error;
  const { code = "", path, syscall } = fault;
  const isOfDisk = WRITE_CODES.has(code) || (path !== undefined && syscall !== "connect" && syscall !== "listen");
  return isOfDisk ? fault : diskFault(error.cause);
}

/** Returns whether an error means that the disk, or the user's quota, is full. */
export const isDiskFull = ({ code }: NodeJS.ErrnoException): boolean => code === "ENOSPC" || code === "EDQUOT";
