/**
 * The rows of metrics.jsonl: one JSON object per line, numbers in full precision. Epochs count from 1. The `step` of a
 * step's row is the index of its update, from 0; in other rows it is the number of updates made.
 */
import { existsSync, readFileSync } from "node:fs";
import { at, excerpt, excerptOf, LockstepError } from "@lockstep/errors";
import { appendLine, writeSmallFile } from "@lockstep/files";
import { z } from "zod";

const count = z.int().nonnegative();
const fraction = z.number().min(0).max(1);

const stepRowSchema = z.strictObject({
  type: z.literal("step"),
  epoch: count,
  step: count,
  /** Mean over this step's batch. */
  loss: z.number(),
  samples: count,
  correct: count,
  lr: z.number(),
  /** Milliseconds of the whole step and of its parts: data, forward, backward, update, … */
  ms: z.object({ step: z.number() }).catchall(z.number()),
  /** Present in a run on several machines. */
  slices: z.number().optional(),
  workers: z
    .array(
      z.strictObject({
        name: z.string(),
        samples: z.number(),
        bytesUp: z.number(),
        bytesDown: z.number(),
        ms: z.record(z.string(), z.number()),
        io: z.record(z.string(), z.number()).default({}), // rows of earlier versions have none
        doneMs: z.number().optional(),
      }),
    )
    .optional(),
});

const epochRowSchema = z.strictObject({
  type: z.literal("epoch"),
  epoch: count,
  step: count,
  /** Means over the epoch's samples, each at the weights of its step; accuracies are fractions. */
  trainLoss: z.number(),
  trainAccuracy: fraction,
  /** Absent without a validation split. */
  evalLoss: z.number().optional(),
  evalAccuracy: fraction.optional(),
  samples: count,
});

const testRowSchema = z.strictObject({
  type: z.literal("test"),
  step: count,
  loss: z.number(),
  accuracy: fraction,
  samples: count,
});

const rowSchema = z.discriminatedUnion("type", [stepRowSchema, epochRowSchema, testRowSchema]);

/** The row of one update. */
export type StepRow = z.infer<typeof stepRowSchema>;
/** The row of one epoch. */
export type EpochRow = z.infer<typeof epochRowSchema>;
/** The row of the test at the end of a run. */
export type TestRow = z.infer<typeof testRowSchema>;
/** Any row of metrics.jsonl. */
export type MetricsRow = z.infer<typeof rowSchema>;

/**
 * Appends a row to the file. The row survives a crash of this process once the call returns.
 *
 * @throws LockstepError ERR_METRICS for NaN or infinity, which JSON cannot hold
 */
export function appendMetrics(path: string, row: MetricsRow): void {
  appendLine(path, JSON.stringify(parseRow(path, row)));
}

/**
 * Reads all rows; none if there is no file. Ignores a last line without its newline, which a killed process may leave.
 *
 * @throws LockstepError ERR_METRICS that names the line
 */
export function readMetrics(path: string): MetricsRow[] {
  return existsSync(path) ? parseMetrics(readFileSync(path, "utf8"), path) : [];
}

/**
 * Parses the rows of a section of a file. Ignores a last line without its newline.
 *
 * @param linesBefore number of lines before that section
 * @throws LockstepError ERR_METRICS that names the line
 */
export function parseMetrics(text: string, path: string, linesBefore = 0): MetricsRow[] {
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line, i) => parseRow(`${path}:${linesBefore + i + 1}`, jsonOrText(line)));
}

/**
 * Removes the rows that `keep` rejects, and an incomplete last one: a resumed run writes them again.
 *
 * @returns the remaining rows
 */
export function rewriteMetrics(path: string, keep: (row: MetricsRow) => boolean): MetricsRow[] {
  const rows = readMetrics(path).filter(keep);
  writeSmallFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return rows;
}

function jsonOrText(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

function parseRow(place: string, value: unknown): MetricsRow {
  const row = rowSchema.safeParse(value);
  if (row.success) return row.data;
  const { path, message } = at(row.error.issues, 0);
  const text = `${place}: expected a row of metrics, got ${excerptOf(value)} (${excerpt(`${path.join(".")}: ${message}`)}).`;
  throw new LockstepError("ERR_METRICS", `${text} Remove the line, or start a new run.`);
}
