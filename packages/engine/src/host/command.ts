/** Runs programs of this machine for their output: nvidia-smi, pip, a compiler. */
import { execFile } from "node:child_process";

/** The exit status and the output of a program. */
export interface CommandResult {
  /** Exit status; null if the program could not be started or was killed. */
  status: number | null;
  stdout: string;
  /** The program's stderr, or the reason why it could not be started. */
  stderr: string;
}

/** Runs a program to its end without input and returns its output. A failure is a result, not an exception. */
export function runCommand(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { env, maxBuffer: Number.POSITIVE_INFINITY }, (error, stdout, stderr) => {
      if (error === null) resolve({ status: 0, stdout, stderr });
      else if (child.pid === undefined) resolve({ status: null, stdout, stderr: error.message });
      else resolve({ status: typeof error.code === "number" ? error.code : null, stdout, stderr });
    });
    child.stdin?.end();
  });
}
