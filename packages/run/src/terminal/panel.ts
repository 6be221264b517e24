/** Where a run is shown, and where people command it. */
import { Controls } from "../live/controls.ts";
import { LiveRun } from "../live/live-run.ts";
import type { Display } from "./display.ts";
import { eventLogger } from "./event-logger.ts";

/** The terminal, the pages, and the commands that come from the pages. */
export interface RunPanel {
  display: Display;
  live: LiveRun;
  controls: Controls;
}

/** Makes the panel of a run that nothing is known of yet. */
export function openPanel(display: Display): RunPanel {
  const live = new LiveRun();
  return { display, live, controls: new Controls(live, eventLogger(display, live)) };
}
