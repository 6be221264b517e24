/** Runs the built programs as processes, which start in a third of the time of their sources. */
import { type ChildProcess, spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Owner, spawnForTest } from "@lockstep/testing";

const root = fileURLToPath(new URL("../../..", import.meta.url));
/** Path of a small model spec. */
export const tinyModel = fileURLToPath(new URL("../../fixtures/tiny-model.js", import.meta.url));
/** Path of a model spec with 27 MB of weights. */
export const wideModel = fileURLToPath(new URL("../../fixtures/wide-model.js", import.meta.url));

/** Whether a program can be started on a terminal. */
export const hasTerminals = spawnSync("script", ["--version"]).status === 0;
/** Command prefix that starts a program on a terminal. */
export const terminalPrefix = ["sh", "-c", 'exec script -qec "$*" /dev/null', "sh"];

/** A process that has ended. */
export interface Finished {
  /** Exit status; −1 if a signal ended the process. */
  status: number;
  stdout: string;
  stderr: string;
}

/** A running process. */
export interface Running {
  child: ChildProcess;
  finished: Promise<Finished>;
  /** Returns its standard output so far. */
  stdout(): string;
  /** Resolves when its standard output contains the text; rejects if it ends without. */
  prints(text: string | RegExp): Promise<void>;
}

/**
 * Starts a command of package.json (`train`, `coordinator`, `worker`, …), in the root of the repository.
 *
 * @param prefix command prefix, such as `ip netns exec NAME`
 * @param owner the test that it ends with. @default the current one
 */
export function start(args: string[], env: NodeJS.ProcessEnv = {}, prefix: string[] = [], owner?: Owner): Running {
  return launch([...prefix, ...programWords(args)], env, owner);
}

/** Returns the words that run a command of package.json: Node, the built program and its arguments. */
function programWords([command, ...options]: readonly string[]): string[] {
  if (command === undefined) throw new Error("Expected the name of a command, got no words.");
  const isProgram = command === "coordinator" || command === "worker";
  const [app, args] = isProgram ? [command, options] : ["trainer", [command, ...options]];
  return [process.execPath, join(root, `apps/${app}/dist/main.js`), ...args];
}

/** Starts a command in the root of the repository. */
export function launch(words: string[], env: NodeJS.ProcessEnv = {}, owner?: Owner): Running {
  const child = spawnForTest(words, { cwd: root, env, owner, stderr: "pipe" });
  let stdout = "";
  let stderr = "";
  const waiting: { text: string | RegExp; resolve: () => void }[] = [];
  const isPrinted = (text: string | RegExp) => (typeof text === "string" ? stdout.includes(text) : text.test(stdout));
  child.stdout.setEncoding("utf8").on("data", (data: string) => {
    stdout += data;
    for (const { text, resolve } of waiting) if (isPrinted(text)) resolve();
  });
  child.stderr.setEncoding("utf8").on("data", (data: string) => {
    stderr += data;
  });
  const finished = new Promise<Finished>((resolve) =>
    child.on("close", (code) => resolve({ status: code ?? -1, stdout, stderr })),
  );
  const prints = (text: string | RegExp) =>
    new Promise<void>((resolve, reject) => {
      waiting.push({ text, resolve });
      if (isPrinted(text)) resolve();
      void finished.then(() => reject(new Error(`It ended without printing "${text}":\n${stdout}${stderr}`)));
    });
  return { child, finished, prints, stdout: () => stdout };
}

/** Starts a command of package.json, and resolves when it has ended. */
export function run(args: string[], env: NodeJS.ProcessEnv = {}, owner?: Owner): Promise<Finished> {
  return start(args, env, [], owner).finished;
}
