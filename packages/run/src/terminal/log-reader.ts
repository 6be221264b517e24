/** Reads log lines in JSON. */
import { z } from "zod";
import type { Progress } from "../live/updates.ts";

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
