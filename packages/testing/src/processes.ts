/**
 * The processes that tests start. Each ends with the test that started it, however the test ends, and at the latest
 * with the process that runs the tests, however that one ends.
 */
import {
  type ChildProcess,
  type ChildProcessByStdio,
  type ChildProcessWithoutNullStreams,
  spawn,
  spawnSync,
} from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { TestRunner } from "vitest";

/** The test with which a process ends; with "file", it ends with the process that runs the tests. */
export type Owner = NonNullable<ReturnType<typeof TestRunner.getCurrentTest>> | "file";

/**
 * Returns the current test, or "file" in `beforeAll` and in a program that is not a test.
 *
 * @throws Error in a concurrent test, because the current test is ambiguous
 */
export function currentOwner(): Owner {
  const test = TestRunner.getCurrentTest();
  if (test?.concurrent === true) throw new Error("Expected a concurrent test to name the owner of its processes.");
  return test ?? "file";
}

/** Options of `spawnForTest`. */
export interface ProcessOptions {
  cwd?: string | undefined;
  /** Additional environment variables. */
  env?: NodeJS.ProcessEnv | undefined;
  /** @default currentOwner() */
  owner?: Owner | undefined;
  /** @default "inherit" */
  stderr?: "pipe" | "inherit";
  /** Whether to open an IPC channel. @default false */
  ipc?: boolean;
}

const SETPRIV = "/usr/bin/setpriv";
/** What was found out about this system so far. */
const system: { tiedToParent?: string[] } = {};

/** Returns the command prefix with which Linux kills a process when its parent dies; empty on other systems. */
function wordsTyingToParent(): string[] {
  const words = ["--pdeathsig", "KILL", "--"];
  system.tiedToParent ??= spawnSync(SETPRIV, [...words, "true"]).status === 0 ? [SETPRIV, ...words] : [];
  return system.tiedToParent;
}

const started = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of started) killGroup(child);
});

/** Starts a process for the current test. Its standard input, output and error are pipes. */
export function spawnForTest(
  words: readonly string[],
  options: ProcessOptions & { stderr: "pipe" },
): ChildProcessWithoutNullStreams;
/** Starts a process for the current test. Its standard input and output are pipes. */
export function spawnForTest(
  words: readonly string[],
  options?: ProcessOptions,
): ChildProcessByStdio<Writable, Readable, null>;
/** Starts a process in a group of its own, so that all of its processes are killed with it. */
export function spawnForTest(words: readonly string[], options: ProcessOptions = {}): ChildProcess {
  const { cwd, env, owner = currentOwner(), stderr = "inherit", ipc = false } = options;
  const [program, ...args] = [...wordsTyingToParent(), ...words];
  if (program === undefined) throw new Error("Expected a program to start, got no words.");
  const child = spawn(program, args, {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", stderr, ...(ipc ? (["ipc"] as const) : [])],
    detached: true, // makes a process group
  });
  started.add(child);
  if (owner !== "file") owner.context.onTestFinished(() => end(child));
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const exited = hasEnded(child) ? undefined : once(child, "exit").catch(() => {}); // it may not have started
  killGroup(child);
  await exited;
  started.delete(child);
}

const hasEnded = ({ exitCode, signalCode, pid }: ChildProcess) =>
  pid === undefined || exitCode !== null || signalCode !== null;

/** Kills the process group, whose processes may outlive the process itself. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
