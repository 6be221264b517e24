/** Runs the trainer's commands in the process of the test, which spares the start of a process and of an engine. */
import { format } from "node:util";
import { tidyArguments } from "@lockstep/config";
import { logFormatOf, reportFailure } from "@lockstep/run";
import { makeProgram } from "@lockstep/trainer-program/program";
import { vi } from "vitest";
import type { Finished } from "./program.ts";

/**
 * Runs a command of the trainer (`train`, `evaluate`, `predict`, `export`, …) as its program does, but in this process.
 * The modules and the engine stay loaded, so only the first command can choose the number of threads, and a model file
 * that has changed is not read again.
 *
 * @throws an error that has no code, which is a defect
 */
export async function runInProcess(args: readonly string[]): Promise<Finished> {
  const { exitCode } = process;
  const output = captureOutput();
  process.exitCode = undefined;
  try {
    await makeProgram()
      .parseAsync(tidyArguments(args), { from: "user" })
      .catch((error: unknown) => reportFailure(error, logFormatOf(args)));
    return { status: Number(process.exitCode ?? 0), stdout: output.stdout(), stderr: output.stderr() };
  } finally {
    process.exitCode = exitCode;
    output.restore();
  }
}

/** Records what this process prints instead of printing it. */
function captureOutput() {
  const printed = { stdout: "", stderr: "" };
  const line =
    (stream: keyof typeof printed) =>
    (...values: unknown[]) => {
      printed[stream] += `${format(...values)}\n`;
    };
  const text = (stream: keyof typeof printed) => (chunk: unknown) => {
    printed[stream] += String(chunk);
    return true;
  };
  const spies = [
    vi.spyOn(console, "log").mockImplementation(line("stdout")),
    vi.spyOn(console, "error").mockImplementation(line("stderr")),
    vi.spyOn(process.stdout, "write").mockImplementation(text("stdout")),
    vi.spyOn(process.stderr, "write").mockImplementation(text("stderr")),
  ];
  const restore = () => {
    for (const spy of spies) spy.mockRestore();
  };
  return { stdout: () => printed.stdout, stderr: () => printed.stderr, restore };
}
