/** How a run on this machine is shown while it goes. */
import { controlToken, dashboardLine, openDashboardThread } from "@lockstep/dashboard";
import type { Display, Resources, RunPanel } from "@lockstep/run";
import { LOCAL_WORKER } from "@lockstep/run/live";
import type { PreparedRun } from "@lockstep/training";

/** Where pages show the run. */
export interface DashboardOptions {
  /** @default 7080, or the next that is free */
  port?: number | undefined;
}

/** How a run is shown while it goes. */
export interface Shown {
  display: Display;
  /** @default no pages show it */
  dashboard?: DashboardOptions | undefined;
  /** Options, as words, that a resume needs once more, since the run's folder does not keep them. @default none */
  unkept?: readonly string[];
}

/** Tells that the run begins, or goes on after `doneSteps`, and which device computes it. */
export function tellBegin({ live }: RunPanel, { device, backend }: PreparedRun["engine"], doneSteps: number): void {
  const again = doneSteps > 0;
  live.event(again ? `going on after ${doneSteps} steps` : "the run begins", again ? "resumed" : "begun");
  live.take({ type: "team", workers: [{ name: LOCAL_WORKER, device: device.name, backend, state: "in", slices: [] }] });
}

/** Has a thread of its own answer the pages of the run, until `resources` are closed. */
export async function openPages(
  { display, live, controls }: RunPanel,
  dashboard: DashboardOptions,
  resources: Resources,
): Promise<void> {
  const control = controlToken();
  const command = controls.take.bind(controls);
  const { url, close } = await openDashboardThread({ live, ...dashboard, controlToken: control, command });
  resources.add(close);
  display.line(dashboardLine(url, display.isTerminal, { control }));
}
