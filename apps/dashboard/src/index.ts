export type { ControlDesk } from "./control-desk.ts";
export {
  controlToken,
  type Dashboard,
  dashboardLine,
  expectRoomForDashboard,
  openDashboard,
  placeOf,
} from "./dashboard.ts";
export { openDashboardThread } from "./dashboard-thread.ts";
export { followRun, readRun } from "./followed-run.ts";
export { makeSite, type Site } from "./site.ts";
