/** The dashboard package: a page and an API that show a run while it goes. */
export type { ControlDesk } from "./api/control-desk.ts";
export {
  assertDashboardPortFree,
  controlToken,
  type Dashboard,
  dashboardLine,
  openDashboard,
  placeOf,
} from "./dashboard.ts";
export { followRun, readRun } from "./followed-run.ts";
export { makeSite, type Site } from "./site.ts";
export { openDashboardThread } from "./thread/dashboard-thread.ts";
