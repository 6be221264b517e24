/** Trains with one worker, in a fresh process of the trainer's program. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { LockstepError } from "@lockstep/errors";
import type { Cleanup } from "../cleanup.ts";

/** A training, and where its log goes. */
export interface AloneTraining {
  /** Path of the trainer's program. */
  program: string;
  /** Parsed options of `train`. */
  options: Record<string, unknown>;
  /** Receives each line of the log in the JSON format. */
  onLine: (line: string) => void;
}

/**
 * Trains in a process that ends with this one at the latest.
 *
 * @throws LockstepError ERR_VERIFY if the training fails, after it has printed the reason
 */
export async function trainAlone({ program, options, onLine }: AloneTraining, cleanup: Cleanup): Promise<void> {
  const words = [...process.execArgv, program, "train", "--no-dashboard", "--log", "json", ...wordsOf(options)];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  cleanup.add(() => child.kill("SIGKILL"));
  createInterface(child.stdout).on("line", onLine);
  await new Promise<void>((resolve, reject) => {
    const fail = (how: string) => reject(new LockstepError("ERR_VERIFY", `A training run ${how}.`));
    child.on("error", ({ message }) => fail(`could not be started: ${message}`));
    child.on("exit", (status, signal) => {
      if (status === 0) resolve();
      else fail(`ended with ${signal ?? `status ${status}`}. Its output above has the reason`);
    });
  });
}

/** Returns options as command-line arguments: `{ maxSteps: "10", test: false }` is `--max-steps 10 --no-test`. */
export function wordsOf(options: Record<string, unknown>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (value === false) return [dashed(name).replace("--", "--no-")];
    return value === true ? [dashed(name)] : [dashed(name), String(value)];
  });
}

const dashed = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
