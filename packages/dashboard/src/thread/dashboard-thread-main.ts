/** What runs on the dashboard's thread: it knows the run from what the main thread tells it. */
import { parentPort, workerData } from "node:worker_threads";
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import type { Command } from "@lockstep/run";
import { LiveRun, type RunSnapshot, type RunUpdate } from "@lockstep/run/live";
import { type Dashboard, openDashboard } from "../dashboard.ts";

export interface ThreadData {
  snapshot: RunSnapshot;
  port: number | undefined;
  controlToken: string;
}

export type ToThread =
  | { type: "update"; update: RunUpdate }
  /** A command was carried out, or why it was not. */
  | { type: "done"; number: number; reason: string | undefined }
  | { type: "close" };

export type FromThread =
  | { type: "listening"; url: string }
  | { type: "failed"; code: ErrorCode; reason: string }
  | { type: "command"; number: number; command: Command };

const { snapshot, port, controlToken } = workerData as ThreadData;
const main = parentPort!;
const say = (message: FromThread) => main.postMessage(message);
const live = new LiveRun(snapshot);
const waiting = new Map<number, (reason: string | undefined) => void>();
let commands = 0;
let dashboard: Dashboard | undefined;

main.on("message", async (message: ToThread) => {
  if (message.type === "update") live.take(message.update);
  else if (message.type === "done") {
    waiting.get(message.number)?.(message.reason);
    waiting.delete(message.number);
  } else {
    await dashboard?.close();
    main.close();
  }
});

try {
  dashboard = await openDashboard({ live, port, desk: { token: controlToken, command: tellMain } });
  say({ type: "listening", url: dashboard.url });
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  say({ type: "failed", code: error.code, reason: error.message });
  main.close(); // nobody has a use for this thread any more
}

/** The main thread answers between two pieces of its work. */
function tellMain(command: Command): Promise<void> {
  const number = commands++;
  say({ type: "command", number, command });
  return new Promise((resolve, reject) =>
    waiting.set(number, (reason) =>
      reason === undefined ? resolve() : reject(new LockstepError("ERR_COMMAND", reason)),
    ),
  );
}
