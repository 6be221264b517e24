/** The testing package: helpers for the tests of several packages. */

export { defined } from "@lockstep/errors";
export { drawCases, drawTest, provesAllCases, seedsBelow, testSeed } from "./draw-cases.ts";
export { currentOwner, type Owner, spawnForTest } from "./processes.ts";
export { missingModules, python } from "./python.ts";
export { mountSmallDisk, type SmallDisk } from "./small-disk.ts";
export { temporaryFolder, test } from "./temporary-folder.ts";
