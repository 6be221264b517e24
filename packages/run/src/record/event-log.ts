/** `events.jsonl`: the events and phases of a run, one per line, for use after the run has ended. */
import { existsSync, readFileSync } from "node:fs";
import { LockstepError } from "@lockstep/errors";
import { appendLine } from "@lockstep/files";
import type { Lease } from "@lockstep/files/lease";
import { z } from "zod";
import type { LiveRun } from "../live/live-run.ts";
import { PHASE_NAMES } from "../live/phase.ts";
import { EVENT_KINDS, type RunEvent, type RunUpdate } from "../live/updates.ts";
import { watchPhases } from "../live/watch-phases.ts";

/** One line of the file: an event, or the phase that the run entered. */
export type LoggedUpdate = Extract<RunUpdate, { type: "event" | "phase" }>;

const eventSchema = z.strictObject({
  at: z.iso.datetime(),
  kind: z.enum(EVENT_KINDS),
  text: z.string(),
  worker: z.string().optional(),
  device: z.string().optional(),
  backend: z.string().optional(),
});

const phaseSchema = z.strictObject({
  at: z.iso.datetime(),
  kind: z.literal("phase"),
  text: z.string(),
  phase: z.enum(PHASE_NAMES),
  reason: z.string().optional(),
});

const lineSchema = z.union([
  eventSchema.transform((event): LoggedUpdate => ({ type: "event", event })),
  phaseSchema.transform(
    ({ at, phase: name, reason }): LoggedUpdate => ({
      type: "phase",
      phase: { name, sinceMs: Date.parse(at), reason },
    }),
  ),
]);

/** Reads all events of a file. Skips the phases, which describe the process that wrote them. */
export function readEvents(path: string): RunEvent[] {
  const updates = existsSync(path) ? parseEventLog(readFileSync(path, "utf8")) : [];
  return updates.flatMap((update) => (update.type === "event" ? update.event : []));
}

/**
 * Parses lines of the file. Skips lines that are neither an event nor a phase: a killed process or a later version may
 * have written them, and no result depends on them.
 */
export function parseEventLog(text: string): LoggedUpdate[] {
  return text.split("\n").flatMap((line) => {
    const update = lineSchema.safeParse(jsonOrUndefined(line));
    return update.success ? update.data : [];
  });
}

/**
 * Adds the events in the file to `live`, then appends to the file each new event of `live` and each change of its
 * phase.
 *
 * @param lease the lease of the run's folder; nothing is appended once this process has lost it. @default no lease is
 *   checked
 */
export function recordEvents(live: LiveRun, path: string, lease?: Pick<Lease, "assertHeld">): void {
  for (const event of readEvents(path)) live.apply({ type: "event", event });
  live.subscribe((update) => {
    if (update.type === "event") append(path, update.event, lease);
  });
  watchPhases(live, ({ name: phase, sinceMs, reason, text }) => {
    append(path, { at: new Date(sinceMs).toISOString(), kind: "phase", text, phase, reason }, lease);
  });
}

function append(path: string, line: object, lease?: Pick<Lease, "assertHeld">): void {
  try {
    lease?.assertHeld();
    appendLine(path, JSON.stringify(line));
  } catch (error) {
    // After a full disk or a lost lease, writing the next row of metrics ends the run with this error.
    if (!(error instanceof LockstepError)) throw error;
  }
}

function jsonOrUndefined(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
