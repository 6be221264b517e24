/** Runs other programs. */
import { spawn } from "node:child_process";

/** The exit status and the output of a program. */
export interface CommandResult {
  /** Exit status; null if the program could not be started or was killed. */
  status: number | null;
  stdout: string;
  /** Its output on stderr, or the reason why it could not be started. */
  stderr: string;
}

/** Runs a program to its end and gives back what it said. A failure is a result, not an exception. */
export function runCommand(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", (error) => resolve({ status: null, stdout, stderr: error.message }));
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
}
