/** The Python that tests compare with. */
import { execFileSync } from "node:child_process";

export const python = process.env["LOCKSTEP_TEST_PYTHON"] ?? "python3";

/** Why a test can't run, for its name; empty if it can. */
export function missingModules(modules: string): string {
  try {
    execFileSync(python, ["-c", `import ${modules}`], { stdio: "pipe" });
    return "";
  } catch {
    return ` (needs ${modules} in LOCKSTEP_TEST_PYTHON)`;
  }
}
