/** Runs the built programs as processes: they start in a third of the time that their sources take. */
import { type ChildProcess, spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Owner, spawnForTest } from "@lockstep/testing";

const root = fileURLToPath(new URL("../../..", import.meta.url));
export const tinyModel = fileURLToPath(new URL("../../fixtures/tiny-model.js", import.meta.url));
export const wideModel = fileURLToPath(new URL("../../fixtures/wide-model.js", import.meta.url));

/** Whether a program can be given a terminal, and the words that put it on one. */
export const hasTerminals = spawnSync("script", ["--version"]).status === 0;
export const terminalPrefix = ["sh", "-c", 'exec script -qec "$*" /dev/null', "sh"];

export interface Finished {
  /** Exit status; −1 if a signal ended it. */
  status: number;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  finished: Promise<Finished>;
  /** What it has printed so far. */
  stdout(): string;
  /** Resolves when standard output holds such a text. */
  prints(text: string | RegExp): Promise<void>;
}

/**
 * Starts a command of package.json (`train`, `coordinator`, `worker`, …), in the root of the repository.
 *
 * @param prefix words that put it somewhere else, such as `ip netns exec NAME`
 * @param owner the test that it ends with. @default the one that runs now
 */
export function start(args: string[], env: NodeJS.ProcessEnv = {}, prefix: string[] = [], owner?: Owner): Running {
  return launch([...prefix, ...programWords(args)], env, owner);
}

/** Returns the words that run a command of package.json: Node, the built program and its arguments. */
export function programWords([command, ...options]: readonly string[]): string[] {
  if (command === undefined) throw new Error("Expected the name of a command, got no words.");
  const isProgram = command === "coordinator" || command === "worker";
  const [app, args] = isProgram ? [command, options] : ["trainer", [command, ...options]];
  return [process.execPath, join(root, `apps/${app}/dist/main.js`), ...args];
}

/** Starts any command, in the root of the repository. */
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

/** As `start`, but resolves when the command has ended. */
export function run(args: string[], env: NodeJS.ProcessEnv = {}, owner?: Owner): Promise<Finished> {
  return start(args, env, [], owner).finished;
}
