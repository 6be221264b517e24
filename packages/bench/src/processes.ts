/** The processes that are measured. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { LockstepError } from "@lockstep/errors";
import type { Cleanup } from "./cleanup.ts";

export interface Running {
  child: ChildProcess;
  /** Resolves with what it printed when it ends with status 0, and rejects with that when it fails. */
  ended: Promise<string>;
  /** Resolves with the first match in its standard output; rejects if it ends without one. */
  prints(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Ends it and what it started, and waits until they are gone. */
  kill(): Promise<void>;
}

export interface StartOptions {
  cwd?: string;
  /** Added to this process's own. */
  env?: NodeJS.ProcessEnv;
}

/** Starts a command, which ends with the bench at the latest. */
export function start([command, ...args]: readonly string[], cleanup: Cleanup, options: StartOptions = {}): Running {
  const child = spawn(command!, args, {
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true, // a group of its own, so that it can be ended with all that it started
  });
  const output = { stdout: "", stderr: "" };
  const watchers = new Set<() => void>();
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (data: string) => {
      output[stream] += data;
      for (const watcher of watchers) watcher();
    });
  }
  child.stdin.on("error", () => {}); // it may end before it is told something
  const failure = (what: string) => {
    const lastLines = `${output.stdout}${output.stderr}`.trim().split("\n").slice(-20).join("\n");
    return new LockstepError("ERR_BENCH", `\`${[command, ...args].join(" ")}\` ${what}:\n${lastLines}`);
  };
  const ended = new Promise<string>((resolve, reject) => {
    child.on("error", (cause) => reject(failure(`did not start (${cause.message})`)));
    child.on("close", (code, signal) =>
      code === 0 ? resolve(output.stdout) : reject(failure(`ended with ${signal ?? `status ${code}`}`)),
    );
  });
  ended.catch(() => {}); // whoever waits for it hears of the error
  const prints = (pattern: RegExp) =>
    new Promise<RegExpMatchArray>((resolve, reject) => {
      const look = () => {
        const match = output.stdout.match(pattern);
        if (match === null) return;
        watchers.delete(look);
        resolve(match);
      };
      watchers.add(look);
      look();
      ended.then(() => reject(failure(`ended without printing ${pattern}`)), reject);
    });
  const killGroup = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // it ended already
    }
  };
  cleanup.add(killGroup);
  const kill = () => {
    killGroup();
    return ended.then(
      () => {},
      () => {},
    );
  };
  return { child, ended, prints, kill };
}

/** Resolves with what each printed when all have ended well; rejects as soon as one fails. */
export const allEnded = (processes: readonly Running[]): Promise<string[]> =>
  Promise.all(processes.map(({ ended }) => ended));

/** What a process measured: the last line that it printed, as JSON. */
export function lastLine<Result>(stdout: string): Result {
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as Result;
}

/** The words that run a file of this folder with the Node that runs this. */
export function nodeScript(name: string): string[] {
  return [process.execPath, ...process.execArgv, besideThis(name)];
}

/** The words that run a program of this repository, as `pnpm coordinator` and `pnpm worker` do. */
export function lockstepProgram(name: "coordinator" | "worker"): string[] {
  const main = import.meta.resolve(`@lockstep/${name}/main`);
  return [process.execPath, ...process.execArgv, fileURLToPath(main)];
}

export function besideThis(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
