/** Checks the Python that runs PyTorch's side. */
import { execFileSync } from "node:child_process";

/** Returns why PyTorch is not measured, with the remedy; undefined if it is installed. */
export function pytorchLeftOut(python: string): string | undefined {
  try {
    execFileSync(python, ["-c", "import torch"], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: Buffer | null };
    const detail = stderr?.toString().trim().split("\n").at(-1) || message;
    return `PyTorch is not measured: ${detail}. Install it with \`${python} -m pip install torch==2.13.0 numpy\`, or pass another Python with --python.`;
  }
}
