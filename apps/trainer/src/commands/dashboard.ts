/** `pnpm dashboard`: pages that show runs that are over. */
import { openDashboard, readRun } from "@lockstep/dashboard";

export interface DashboardCommandOptions {
  run: string[];
  port?: number;
}

/** Answers until Ctrl-C. */
export async function dashboard({ run: dirs, port }: DashboardCommandOptions): Promise<void> {
  const [live, ...others] = dirs.map(readRun);
  const { url, close } = await openDashboard({ live: live!, others, port });
  process.once("SIGINT", () => void close()).once("SIGTERM", () => void close());
  console.log(`dashboard: ${url}/  (Ctrl-C ends it)`);
}
