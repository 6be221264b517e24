/**
 * The processes that tests start. Each ends with the test that started it, however the test ends, and at the latest with
 * the process that runs the tests, however that one ends.
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

/** The test that a process ends with. One that is the file's lasts as long as the process that runs its tests. */
export type Owner = NonNullable<ReturnType<typeof TestRunner.getCurrentTest>> | "file";

/**
 * The test that runs now. In `beforeAll`, and in a program that is no test, there is none.
 *
 * @throws Error in a concurrent test: several run now, and the processes would end with any of them
 */
export function currentOwner(): Owner {
  const test = TestRunner.getCurrentTest();
  if (test?.concurrent === true) throw new Error("Expected a concurrent test to name the owner of its processes.");
  return test ?? "file";
}

export interface ProcessOptions {
  cwd?: string | undefined;
  /** Variables beside those of this process. */
  env?: NodeJS.ProcessEnv | undefined;
  /** @default currentOwner() */
  owner?: Owner | undefined;
  /** @default "inherit" */
  stderr?: "pipe" | "inherit";
  /** Whether it can be told something with `send`. @default no */
  ipc?: boolean;
}

const SETPRIV = "/usr/bin/setpriv";
let tiedToParent: string[] | undefined;

/** Returns words that have Linux end a process with its parent, also when the parent is killed; none elsewhere. */
function wordsTyingToParent(): string[] {
  const words = ["--pdeathsig", "KILL", "--"];
  tiedToParent ??= spawnSync(SETPRIV, [...words, "true"]).status === 0 ? [SETPRIV, ...words] : [];
  return tiedToParent;
}

const started = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of started) killGroup(child);
});

/** Starts a process for the test that runs now. Its standard input and output are pipes. */
export function spawnForTest(
  words: readonly string[],
  options: ProcessOptions & { stderr: "pipe" },
): ChildProcessWithoutNullStreams;
export function spawnForTest(
  words: readonly string[],
  options?: ProcessOptions,
): ChildProcessByStdio<Writable, Readable, null>;
export function spawnForTest(words: readonly string[], options: ProcessOptions = {}): ChildProcess {
  const { cwd, env, owner = currentOwner(), stderr = "inherit", ipc = false } = options;
  const [program, ...rest] = [...wordsTyingToParent(), ...words];
  const child = spawn(program!, rest, {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", stderr, ...(ipc ? (["ipc"] as const) : [])],
    detached: true, // a group of its own, which is ended with all that it has started
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

/** What a process has started may be there when the process is not. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
