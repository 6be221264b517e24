/** Identifies the Lockstep that was measured. */
import { execFileSync } from "node:child_process";
import { version } from "@lockstep/config";

/** Returns the version and the commit: `0.1.0 (6212323)`, with a + if there are uncommitted changes. */
export function lockstepVersion(): string {
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", import.meta.dirname, ...args], { encoding: "utf8", stdio: "pipe" }).trim();
  try {
    const changed = git("status", "--porcelain", "--untracked-files=no") !== "";
    return `${version} (${git("rev-parse", "--short", "HEAD")}${changed ? "+" : ""})`;
  } catch {
    return version; // no repository, or no git
  }
}
