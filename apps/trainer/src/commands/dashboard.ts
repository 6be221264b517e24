/** `pnpm dashboard`: pages that show runs from their folders. */
import type { DashboardOptions } from "@lockstep/config/programs";
import { followRun, openDashboard, readRun } from "@lockstep/dashboard";
import { reportFailure, untilAskedToStop, withResources } from "@lockstep/run";
import { isOver } from "@lockstep/run/live";

/** Milliseconds between two reads of the folder. */
const POLL_MS = 1000;

/** Serves the pages until Ctrl-C. */
export async function dashboard({ run: dirs, port }: DashboardOptions): Promise<void> {
  const [first, ...rest] = dirs;
  if (first === undefined) return; // --run has at least one value
  const { live, poll } = followRun(first);
  await withResources(async (resources) => {
    const { url, close } = await openDashboard({ live, others: rest.map(readRun), port });
    resources.add(close);
    const timer = setInterval(() => {
      try {
        poll();
      } catch (error) {
        clearInterval(timer); // the page keeps its last state
        reportFailure(error, "text");
      }
    }, POLL_MS);
    resources.add(() => clearInterval(timer));
    const asked = untilAskedToStop();
    const hint = isOver(live.snapshot()) ? "" : "follows the running run; its own page has the controls; ";
    console.log(`dashboard: ${url}/  (${hint}Ctrl-C to stop)`);
    await asked;
  });
}
