/** Tells people of an event: on the terminal or in the log, and on the run's page. */

import type { LiveRun } from "../live/live-run.ts";
import type { EventKind, LogEvent } from "../live/updates.ts";
import type { Display } from "./display.ts";

/** The events that someone should look at: they are warnings. */
const TROUBLES = new Set<EventKind>(["lost", "dropped", "refused", "paused", "slice-redone"]);

/** Returns a function that tells of an event on the display and on the run's page. */
export function eventLogger(display: Display, live: LiveRun): LogEvent {
  return (text, kind, subject) => {
    display.line(text, { type: kind, ...subject, ...(TROUBLES.has(kind) && { level: "warn" }) });
    live.event(text, kind, subject);
  };
}
