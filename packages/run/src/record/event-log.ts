/** `events.jsonl`: what happened in a run, an event a line, so that it can be told when the run is over. */
import { existsSync, readFileSync } from "node:fs";
import { LockstepError } from "@lockstep/errors";
import type { Lease } from "@lockstep/files";
import { appendLine } from "@lockstep/files";
import { z } from "zod";
import type { LiveRun } from "../live/live-run.ts";
import { EVENT_KINDS, type RunEvent } from "../live/updates.ts";

const eventSchema = z.strictObject({
  at: z.iso.datetime(),
  kind: z.enum(EVENT_KINDS),
  text: z.string(),
  worker: z.string().optional(),
  device: z.string().optional(),
  backend: z.string().optional(),
});

/** All events of a file. */
export function readEvents(path: string): RunEvent[] {
  return existsSync(path) ? parseEvents(readFileSync(path, "utf8")) : [];
}

/** A line that is no event, as a kill may leave one, is left out: no result depends on it. */
export function parseEvents(text: string): RunEvent[] {
  return text.split("\n").flatMap((line) => {
    const event = eventSchema.safeParse(fromJson(line));
    return event.success ? event.data : [];
  });
}

/**
 * Tells `live` of the events in the file, and from then on writes there each one that it hears of, for as long as this
 * process holds the lease of the folder, if there is one.
 */
export function keepEvents(live: LiveRun, path: string, lease?: Pick<Lease, "expectHeld">): void {
  for (const event of readEvents(path)) live.take({ type: "event", event });
  live.subscribe((update) => {
    if (update.type === "event") append(path, update.event, lease);
  });
}

function append(path: string, event: RunEvent, lease?: Pick<Lease, "expectHeld">): void {
  try {
    lease?.expectHeld();
    appendLine(path, JSON.stringify(event));
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
