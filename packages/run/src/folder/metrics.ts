/**
 * The rows of metrics.jsonl: one JSON object a line, numbers in full precision. Epochs count from 1, as they are
 * printed. A step's row has the number of its update, counted from 0; other rows have the updates made by then.
 */
import { existsSync, readFileSync } from "node:fs";
import { excerpt, excerptOf, LockstepError } from "@lockstep/errors";
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
  /** Absent when there is no validation part. */
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
 * Adds a row at the end of the file. When the call returns, the row outlives this process.
 *
 * @throws LockstepError ERR_METRICS for a number that is none, which JSON could not hold
 */
export function appendMetrics(path: string, row: MetricsRow): void {
  appendLine(path, JSON.stringify(parseRow(path, row)));
}

/**
 * All rows; none when there is no file. A last line without its end is what a kill leaves, and does not count.
 *
 * @throws LockstepError ERR_METRICS that names the line
 */
export function readMetrics(path: string): MetricsRow[] {
  return existsSync(path) ? parseMetrics(readFileSync(path, "utf8"), path) : [];
}

/**
 * The rows of a part of a file: a last line without its end does not count.
 *
 * @param linesBefore how many there are before that part
 * @throws LockstepError ERR_METRICS that names the line
 */
export function parseMetrics(text: string, path: string, linesBefore = 0): MetricsRow[] {
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line, i) => parseRow(`${path}:${linesBefore + i + 1}`, fromJson(line)));
}

/**
 * Takes out the rows that `keep` says no to, and a half-written last one: those that a resumed run will write again.
 *
 * @returns the rows that stay
 */
export function rewriteMetrics(path: string, keep: (row: MetricsRow) => boolean): MetricsRow[] {
  const rows = readMetrics(path).filter(keep);
  writeSmallFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return rows;
}

function fromJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

function parseRow(place: string, value: unknown): MetricsRow {
  const row = rowSchema.safeParse(value);
  if (row.success) return row.data;
  const { path, message } = row.error.issues[0]!;
  const text = `${place}: expected a row of metrics, got ${excerptOf(value)} (${excerpt(`${path.join(".")}: ${message}`)}).`;
  throw new LockstepError("ERR_METRICS", `${text} Take the line out, or start a new run.`);
}
