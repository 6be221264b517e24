/** Writes log lines as JSON, and the error that ends a program. */
import { knownError } from "@lockstep/errors";

/** The values of `--log`. */
export type LogFormat = "text" | "json";

/** Returns the value of `--log` on a command line that is not parsed yet, or that cannot be. */
export function logFormatOf(words: readonly string[]): LogFormat {
  return /--log[= ]json/.test(words.join(" ")) ? "json" : "text";
}

/** `level` is info if nothing else is said; `type` names what the other fields belong to. */
export interface LineFields {
  level?: "warn" | "error";
  type?: string;
  [name: string]: unknown;
}

/** One JSON object in one line. A number that is not finite becomes null. */
export function jsonLine(message: string, fields: LineFields = {}, time = new Date()): string {
  return JSON.stringify({ time: time.toISOString(), level: "info", message, ...fields });
}

/**
 * Tells of the error that ends the program, on standard error. One that nobody threw on purpose, and that does not come
 * of a shortage, is a defect: it goes on.
 */
export function reportFailure(error: unknown, format: LogFormat): void {
  const known = knownError(error);
  if (known === undefined) throw error;
  const { code, message } = known;
  console.error(format === "json" ? jsonLine(message, { level: "error", code }) : `${code}: ${message}`);
  process.exitCode = 1;
}
