/** The pages of a run on this machine, served by a separate thread. */
import { controlToken, dashboardLine, openDashboardThread } from "@lockstep/dashboard";
import type { Resources, RunPanel } from "@lockstep/run";
import type { DashboardPort } from "./run-view.ts";

/** Serves the pages of the run from a separate thread, until `resources` are closed. */
export async function openPages(
  { display, live, controls }: RunPanel,
  dashboard: DashboardPort,
  resources: Resources,
): Promise<void> {
  const control = controlToken();
  const command = controls.handle.bind(controls);
  const { url, close } = await openDashboardThread({ live, ...dashboard, controlToken: control, command });
  resources.add(close);
  display.line(dashboardLine(url, display.isTerminal, { control }));
}
