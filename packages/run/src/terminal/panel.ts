/** The display, the live state and the controls of a run. */
import { Controls } from "../live/controls.ts";
import { LiveRun } from "../live/live-run.ts";
import type { Display } from "./display.ts";
import { eventLogger } from "./event-logger.ts";

/** The outputs of a run, and the commands from its pages. */
export interface RunPanel {
  display: Display;
  live: LiveRun;
  controls: Controls;
}

/** Makes the panel of a run that has not started. */
export function openPanel(display: Display): RunPanel {
  const live = new LiveRun();
  return { display, live, controls: new Controls(live, eventLogger(display, live)) };
}
