/** Gives all tests one folder for temporary files, which is deleted after the last test. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Creates the folder. @returns a function that deletes it */
export function setup(): () => void {
  const dir = mkdtempSync(join(tmpdir(), "lockstep-tests-"));
  chmodSync(dir, 0o1777); // like the system's: some tests start processes as another user
  process.env["TMPDIR"] = dir; // inherited by the processes of the tests
  return () => rmSync(dir, { recursive: true, force: true });
}
