/** Lets people watch a training on this machine, if they wish to. */
import { basename } from "node:path";
import { controlToken, dashboardLine, openDashboardThread } from "@lockstep/dashboard";
import type { Lease } from "@lockstep/files";
import { Controls, type Display, eventTeller, keepEvents, type RunFile, type RunFolder } from "@lockstep/run";
import { LiveRun, LOCAL_WORKER } from "@lockstep/run/live";
import type { PreparedRun } from "@lockstep/training";

/** That pages show the run. */
export interface DashboardWish {
  /** @default 7080, or the next that is free */
  port?: number | undefined;
}

/** How a run is shown while it goes. */
export interface Shown {
  display: Display;
  /** @default no pages show it */
  dashboard?: DashboardWish | undefined;
  /** Options, as words, that a resume needs once more, since the run's folder does not keep them. @default none */
  unkept?: readonly string[];
}

export interface Watched extends Shown {
  folder: RunFolder;
  lease: Lease;
  file: RunFile;
  engine: PreparedRun["engine"];
  /** Updates that a resumed run has made already. */
  doneSteps: number;
}

/** Keeps the events of a run in this process; pages, if they are wished for, are answered by a thread of their own. */
export async function watchRun({ folder, lease, file, engine, doneSteps, display, dashboard }: Watched) {
  const live = new LiveRun();
  const controls = new Controls(live, eventTeller(display, live));
  keepEvents(live, folder.eventLog, lease);
  const again = doneSteps > 0;
  live.take({ type: "facts", name: basename(folder.dir), run: file });
  live.event(again ? `going on after ${doneSteps} steps` : "the run begins", again ? "resumed" : "begun");
  const { device, backend } = engine;
  live.take({ type: "team", workers: [{ name: LOCAL_WORKER, device: device.name, backend, state: "in", slices: [] }] });
  if (dashboard === undefined) return { live, controls, close: async () => {} };
  const control = controlToken();
  const command = controls.take.bind(controls);
  const { url, close } = await openDashboardThread({ live, ...dashboard, controlToken: control, command });
  display.line(dashboardLine(url, display.isTerminal, { control }));
  return { live, controls, close };
}
