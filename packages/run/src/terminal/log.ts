/**
 * Writes log lines as JSON, and reports the error that ends a program. It loads little, because each program loads it
 * first.
 */
import { knownError } from "@lockstep/errors";

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
