/** Makes the line of a stopped coordinator: the command that resumes its run with the same options. */
import { explicitFlags, type OptionName, resumeLine, runOptions } from "@lockstep/config";
import type { CoordinatorCommandOptions } from "@lockstep/config/programs";
import { DEFAULT_PORT } from "@lockstep/gradient-sync";
import type { Command } from "commander";
import { tokenWord } from "./joining-lines.ts";

/** Options that the run's folder keeps, or that name it; and the token, which no list of processes should show. */
const LEFT_OUT: readonly (keyof CoordinatorCommandOptions | OptionName)[] = [
  ...(Object.keys(runOptions) as OptionName[]),
  ...(["batchSizePerWorker", "lrScaling", "resume", "out", "token"] as const),
];

/**
 * Returns the line that is printed last.
 *
 * @param port where it listened: workers that hold the weights look for it there
 */
export function stoppedLine(
  program: Command,
  { dir, port, isTerminal }: { dir: string; port: number; isTerminal: boolean },
): string {
  const { token, port: typedPort } = program.opts<CoordinatorCommandOptions>();
  const words = explicitFlags(program, LEFT_OUT);
  if (typedPort === undefined && port !== DEFAULT_PORT) words.push("--port", String(port));
  const given = token === undefined ? [] : [tokenWord(token, isTerminal)];
  return `stopped; continue with: ${[...given, resumeLine("pnpm coordinator", dir, words)].join(" ")}`;
}
