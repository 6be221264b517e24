export { diskFault, isFull } from "./disk-fault.ts";
export { explainWriteError, writeFault } from "./explain-write-error.ts";
export { kindOfPath } from "./kind-of-path.ts";
export { makeFolders } from "./make-folders.ts";
export { temporaryName } from "./temporary-name.ts";
export { type UserFolder, userFolder } from "./user-folder.ts";
