/** The dashboard package: a page and an API that show a run as it trains. */
export type { ControlEndpoint } from "./api/control-endpoint.ts";
export {
  assertDashboardPortFree,
  controlToken,
  type Dashboard,
  dashboardAddress,
  dashboardLine,
  openDashboard,
} from "./dashboard.ts";
export { followRun, readRun } from "./followed-run.ts";
export { makeSite, type Site } from "./site.ts";
export { openDashboardThread } from "./thread/dashboard-thread.ts";
