/** `events.jsonl`: what happened in a run, an event or a phase a line, so that it can be told when the run is over. */
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

/** Reads all events of a file, without the phases: those are of the process that wrote them. */
export function readEvents(path: string): RunEvent[] {
  const updates = existsSync(path) ? parseEventLog(readFileSync(path, "utf8")) : [];
  return updates.flatMap((update) => (update.type === "event" ? update.event : []));
}

/**
 * Parses lines of the file. One that is neither event nor phase, as a kill or a later version may leave one, is left out:
 * no result depends on it.
 */
export function parseEventLog(text: string): LoggedUpdate[] {
  return text.split("\n").flatMap((line) => {
    const update = lineSchema.safeParse(fromJson(line));
    return update.success ? update.data : [];
  });
}

/**
 * Tells `live` of the events in the file, and from then on writes there each one that it hears of, and each change of the
 * phase, for as long as this process holds the lease of the folder, if there is one.
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
    // A full disk and a lost lease end the run where the next row is written, with the reason.
    if (!(error instanceof LockstepError)) throw error;
  }
}

function fromJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
