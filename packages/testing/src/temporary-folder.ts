/** Gives all tests one folder for their temporary files, which goes when the last of them has ended. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function setup(): () => void {
  const dir = mkdtempSync(join(tmpdir(), "lockstep-tests-"));
  chmodSync(dir, 0o1777); // as the system's: some tests start processes as another user
  process.env["TMPDIR"] = dir; // the processes of the tests inherit it
  return () => rmSync(dir, { recursive: true, force: true });
}
