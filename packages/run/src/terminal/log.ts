/** Writes and reads log lines as JSON, and reports the error that ends a program. */
import { knownError } from "@lockstep/errors";
import { z } from "zod";
import type { Progress } from "../live/updates.ts";

/** The values of `--log`. */
export type LogFormat = "text" | "json";

/** Returns the value of `--log` on a command line that is not parsed yet, or that cannot be. */
export function logFormatOf(args: readonly string[]): LogFormat {
  return /--log[= ]json/.test(args.join(" ")) ? "json" : "text";
}

/**
 * Fields of a JSON log line. `level` defaults to info; `type` says which other fields there are. `message` replaces a
 * text of several lines.
 */
export interface LineFields {
  message?: string;
  level?: "warn" | "error";
  type?: string;
  [name: string]: unknown;
}

/** Returns a log line as a JSON object. Numbers that are not finite become null. */
export function jsonLine(message: string, fields: LineFields = {}, time = new Date()): string {
  return JSON.stringify({ time: time.toISOString(), level: "info", message, ...fields });
}

const progressSchema = z.object({
  type: z.literal("progress"),
  step: z.number(),
  steps: z.number(),
  loss: z
    .number()
    .nullable()
    .transform((loss) => loss ?? Number.NaN),
  samplesPerSecond: z.number(),
  secondsLeft: z.number(),
});
const messageSchema = z.object({ message: z.string() });

/** Parses a JSON log line. @returns the progress of a run, or the message of any other line */
export function parseLogLine(line: string): Progress | string {
  const value: unknown = JSON.parse(line);
  const progress = progressSchema.safeParse(value);
  return progress.success ? progress.data : messageSchema.parse(value).message;
}

/**
 * Reports the error that ends the program on standard error. Rethrows an unknown error, which is a defect.
 */
export function reportFailure(error: unknown, format: LogFormat): void {
  const known = knownError(error);
  if (known === undefined) throw error;
  const { code, message } = known;
  console.error(format === "json" ? jsonLine(message, { level: "error", code }) : `${code}: ${message}`);
  process.exitCode = 1;
}
