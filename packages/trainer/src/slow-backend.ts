/** The warning that is printed when a run on this machine starts on a slow backend. */
import type { PreparedRun } from "@lockstep/training";

/** Returns the warning about a slow backend, with what to do if native TensorFlow is missing and can be installed. */
export function slowBackendLine({ backend, skipped }: Pick<PreparedRun["engine"], "backend" | "skipped">): string {
  const times = backend === "wasm" ? "about 8 times" : "many times"; // docs/results.md has the times of steps
  const cost = `the ${backend} backend is ${times} slower than native TensorFlow`;
  const canInstall = skipped.some((one) => one.backend === "native" && one.remedy !== "");
  const remedy = canInstall ? "to install that, stop with Ctrl-C and run `pnpm run doctor --fix`; " : "";
  return `${cost}; ${remedy}the estimated time is printed after two steps`;
}
