/** The Python that tests use as a reference. */
import { execFileSync } from "node:child_process";

/** The Python command. */
export const python = process.env["LOCKSTEP_TEST_PYTHON"] ?? "python3";

/** Returns a suffix for the name of a test that lacks Python modules; empty if all modules are available. */
export function missingModules(modules: string): string {
  try {
    execFileSync(python, ["-c", `import ${modules}`], { stdio: "pipe" });
    return "";
  } catch {
    return ` (needs ${modules} in LOCKSTEP_TEST_PYTHON)`;
  }
}
