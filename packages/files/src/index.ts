/** The files package: atomic writes, folders, leases on folders, and threads. */
export { appendLine, appendToFile, writeFileAtomically, writeSmallFile } from "./atomic-write.ts";
export { ignoreFileErrors, removeIfPossible } from "./best-effort.ts";
export { diskFault, isDiskFull } from "./disk-fault.ts";
export { formatDuration } from "./duration.ts";
export { explainWriteError, writeFault } from "./explain-write-error.ts";
export { acquireLease, assertNoHolder, awaitLease } from "./lease/acquire-lease.ts";
export { Lease } from "./lease/lease.ts";
export { LeaseWatch, realEnvironment } from "./lease/lease-watch.ts";
export { makeFolders } from "./make-folders.ts";
export { pathKind } from "./path-kind.ts";
export { hasCode, isSystemError } from "./system-error.ts";
export { isTemporaryName, temporaryName } from "./temporary-name.ts";
export { startThread } from "./thread/start-thread.ts";
export { threadPort } from "./thread/thread-port.ts";
export { userFolder } from "./user-folder.ts";
