/**
 * The files package: atomic writes, folders, and threads. Leases on folders are in a file of their own: they load zod.
 */
export { appendLine, appendToFile, writeFileAtomically, writeSmallFile } from "./atomic-write.ts";
export { ignoreFileErrors, removeIfPossible } from "./best-effort.ts";
export { diskFault, isDiskFull } from "./disk-fault.ts";
export { formatDuration } from "./duration.ts";
export { explainWriteError, writeFault } from "./explain-write-error.ts";
export { folderFault, whyNoFolder } from "./folder-fault.ts";
export { makeFolders } from "./make-folders.ts";
export { pathKind } from "./path-kind.ts";
export { hasCode, isSystemError } from "./system-error.ts";
export { isTemporaryName, temporaryName } from "./temporary-name.ts";
export { startThread } from "./thread/start-thread.ts";
export { threadPort } from "./thread/thread-port.ts";
export { userFolder } from "./user-folder.ts";
