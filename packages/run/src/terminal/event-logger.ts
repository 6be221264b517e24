/** Logs events on the terminal or in the log, and on the run's page. */

import type { LiveRun } from "../live/live-run.ts";
import type { EventKind, LogEvent } from "../live/updates.ts";
import type { Display } from "./display.ts";

/** Events that are logged as warnings. */
const WARNINGS = new Set<EventKind>(["lost", "dropped", "refused", "paused", "slice-redone"]);

/** Returns a function that logs an event on the display and on the run's page. */
export function eventLogger(display: Display, live: LiveRun): LogEvent {
  return (text, kind, subject) => {
    display.line(text, { type: kind, ...subject, ...(WARNINGS.has(kind) && { level: "warn" }) });
    live.event(text, kind, subject);
  };
}
