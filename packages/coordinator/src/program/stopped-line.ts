/** Builds the last line of a stopped coordinator: the command that resumes its run with the same options. */
import { explicitFlags, type OptionName, optionNames, resumeLine } from "@lockstep/config";
import type { CoordinatorCommandOptions, CoordinatorProgram } from "@lockstep/config/programs";
import { DEFAULT_PORT } from "@lockstep/gradient-sync";
import { type StoppedRun, stoppedLine } from "@lockstep/run";
import { tokenWord } from "./joining-lines.ts";

/** Options that the run's folder stores or that name it, and the token, which a list of processes must not show. */
const OMITTED_OPTIONS: readonly (keyof CoordinatorCommandOptions | OptionName)[] = [
  ...optionNames,
  ...(["batchSizePerWorker", "lrScaling", "resume", "out", "token"] as const),
];

/**
 * Returns the line with the command that resumes the run.
 *
 * @param port the port on which the coordinator listened, where workers that hold the weights try to reconnect
 */
export function stoppedCoordinatorLine(
  program: CoordinatorProgram,
  { dir, done, port, isTerminal }: { dir: string; done: StoppedRun; port: number; isTerminal: boolean },
): string {
  const { token, port: typedPort } = program.opts();
  const flags = explicitFlags(program, OMITTED_OPTIONS);
  if (typedPort === undefined && port !== DEFAULT_PORT) flags.push("--port", String(port));
  const environment = token === undefined ? [] : [tokenWord(token, isTerminal)];
  const command = [...environment, resumeLine("pnpm coordinator", dir, flags)].join(" ");
  return stoppedLine(done, command);
}
