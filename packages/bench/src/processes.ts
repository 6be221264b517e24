/** Starts the processes that are measured. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { LockstepError } from "@lockstep/errors";
import type { Cleanup } from "./cleanup.ts";

/** Folder and environment of a process. */
export interface StartOptions {
  /** Working directory. @default that of this process */
  cwd?: string;
  /** Environment variables, added to those of this process. */
  env?: NodeJS.ProcessEnv;
}

/** Number of last lines of a failed process that its error quotes. */
const SHOWN_LINES = 20;

/** A process that is measured. It and its children end with the bench at the latest. */
class MeasuredProcess {
  /** Resolves with its standard output when it exits with status 0; rejects with its last lines otherwise. */
  readonly ended: Promise<string>;
  readonly #command: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #watchers = new Set<() => void>();
  #stdout = "";
  #stderr = "";

  constructor(words: readonly string[], cleanup: Cleanup, { cwd, env }: StartOptions = {}) {
    this.#command = words.join(" ");
    const [program = "", ...args] = words;
    this.#child = spawn(program, args, {
      ...(cwd !== undefined && { cwd }),
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true, // a separate process group, so that its children can be killed with it
    });
    this.ended = this.#end();
    this.ended.catch(() => {}); // the error reaches those who await it
    this.#listen();
    cleanup.add(() => this.#killGroup());
  }

  /** Its standard input. Writes after its end are dropped. */
  get stdin(): ChildProcessWithoutNullStreams["stdin"] {
    return this.#child.stdin;
  }

  /**
   * Resolves with the first group of the first match in its standard output, or with the match if the pattern has no
   * group. Rejects if the process ends without a match.
   */
  prints(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const match = this.#stdout.match(pattern);
        if (match === null) return;
        this.#watchers.delete(check);
        resolve(match[1] ?? match[0]);
      };
      this.#watchers.add(check);
      check();
      this.ended.then(() => reject(this.#failure(`ended without printing ${pattern}`)), reject);
    });
  }

  /** Kills the process and its children, and waits for its end. */
  async kill(): Promise<void> {
    this.#killGroup();
    await this.ended.catch(() => {});
  }

  #end(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#child.on("error", (cause) => reject(this.#failure(`did not start (${cause.message})`)));
      this.#child.on("close", (code, signal) => {
        if (code === 0) resolve(this.#stdout);
        else reject(this.#failure(`ended with ${signal ?? `status ${code}`}`));
      });
    });
  }

  #listen(): void {
    const { stdin, stdout, stderr } = this.#child;
    stdin.on("error", () => {}); // it may end before a write
    stdout.setEncoding("utf8").on("data", (data: string) => {
      this.#stdout += data;
      for (const check of this.#watchers) check();
    });
    stderr.setEncoding("utf8").on("data", (data: string) => {
      this.#stderr += data;
    });
  }

  #failure(what: string): LockstepError {
    const lastLines = `${this.#stdout}${this.#stderr}`.trim().split("\n").slice(-SHOWN_LINES).join("\n");
    return new LockstepError("ERR_BENCH", `\`${this.#command}\` ${what}:\n${lastLines}`);
  }

  #killGroup(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error; // ESRCH: it has ended
    }
  }
}

/** Starts a command. It ends with the bench. */
export function start(words: readonly string[], cleanup: Cleanup, options?: StartOptions): MeasuredProcess {
  return new MeasuredProcess(words, cleanup, options);
}

/** Resolves with the standard output of each process when all have succeeded; rejects as soon as one fails. */
export function allEnded(processes: readonly MeasuredProcess[]): Promise<string[]> {
  return Promise.all(processes.map(({ ended }) => ended));
}

/** Parses the last line that a process printed, which is its measurement in JSON. */
export function lastLine<Result>(stdout: string): Result {
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

/** Returns the command that runs a file of this folder with this Node. */
export function nodeScript(name: string): string[] {
  return [process.execPath, ...process.execArgv, besideThis(name)];
}

/** Returns the command that runs a program of this repository, as `pnpm coordinator` and `pnpm worker` do. */
export function lockstepProgram(name: "coordinator" | "worker"): string[] {
  const mains = {
    coordinator: import.meta.resolve("@lockstep/coordinator/main"),
    worker: import.meta.resolve("@lockstep/worker/main"),
  };
  return [process.execPath, ...process.execArgv, fileURLToPath(mains[name])];
}

/** Returns the path of a file of this folder. */
export function besideThis(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
