/** The files package: atomic writes, folders, leases of folders, and threads. */
export { appendLine, appendToFile, writeFileAtomically, writeSmallFile } from "./atomic-write.ts";
export { removeIfPossible, unlessRefused } from "./best-effort.ts";
export { diskFault, isFull } from "./disk-fault.ts";
export { durationOf } from "./duration.ts";
export { explainWriteError, writeFault } from "./explain-write-error.ts";
export { kindOfPath } from "./kind-of-path.ts";
export { Lease } from "./lease/lease.ts";
export { LeaseWatch, realWorld } from "./lease/lease-watch.ts";
export { assertNoHolder, awaitLease, takeLease } from "./lease/take-lease.ts";
export { makeFolders } from "./make-folders.ts";
export { isTemporaryName, temporaryName } from "./temporary-name.ts";
export { startThread } from "./thread/start-thread.ts";
export { threadPort } from "./thread/thread-port.ts";
export { type UserFolder, userFolder } from "./user-folder.ts";
