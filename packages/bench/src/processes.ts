/** The processes that are measured, and the words that start them. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { LockstepError } from "@lockstep/errors";
import type { Cleanup } from "./cleanup.ts";

/** Where a process runs. */
export interface StartOptions {
  /** @default this process's own */
  cwd?: string;
  /** Added to this process's own. */
  env?: NodeJS.ProcessEnv;
}

/** Lines of a failed process that its error repeats. */
const SHOWN_LINES = 20;

/** A process that is measured: it ends with the bench at the latest, and so does all that it started. */
export class MeasuredProcess {
  /** Resolves with what it printed when it ends with status 0, and rejects with its last lines when it fails. */
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
      detached: true, // a group of its own, so that it can be ended with all that it started
    });
    this.ended = this.#end();
    this.ended.catch(() => {}); // whoever waits for it hears of the error
    this.#listen();
    cleanup.add(() => this.#killGroup());
  }

  /** Its standard input; what is written after its end is lost. */
  get stdin(): ChildProcessWithoutNullStreams["stdin"] {
    return this.#child.stdin;
  }

  /**
   * Resolves with the first group of the first match in its standard output, or with the whole match if the pattern
   * has no group; rejects if it ends without one.
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

  /** Ends it and what it started, and waits until they are gone. */
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
    stdin.on("error", () => {}); // it may end before it is told something
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
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error; // else it ended already
    }
  }
}

/** Starts a command. */
export function start(words: readonly string[], cleanup: Cleanup, options?: StartOptions): MeasuredProcess {
  return new MeasuredProcess(words, cleanup, options);
}

/** Resolves with what each printed when all have ended well; rejects as soon as one fails. */
export function allEnded(processes: readonly MeasuredProcess[]): Promise<string[]> {
  return Promise.all(processes.map(({ ended }) => ended));
}

/** Returns what a process measured: the last line that it printed, as JSON. */
export function lastLine<Result>(stdout: string): Result {
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

/** Returns the words that run a file of this folder with the Node that runs this. */
export function nodeScript(name: string): string[] {
  return [process.execPath, ...process.execArgv, besideThis(name)];
}

/** Returns the words that run a program of this repository, as `pnpm coordinator` and `pnpm worker` do. */
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
