/** Starts the dashboard on a worker thread, for a process whose main thread computes for seconds at a time. */
import { LockstepError } from "@lockstep/errors";
import { startThread } from "@lockstep/files";
import type { Command } from "@lockstep/run";
import type { LiveRun } from "@lockstep/run/live";
import type { Dashboard } from "../dashboard.ts";
import type { FromThread, ThreadData, ToThread } from "./dashboard-thread-main.ts";

/** The run that the dashboard shows, where it listens, and how its commands are carried out. */
export interface DashboardThreadOptions {
  live: LiveRun;
  port?: number | undefined;
  controlToken: string;
  /** Carries out a command of the page. @throws LockstepError if the command is refused */
  command: (command: Command) => void;
}

/**
 * Starts the thread, and resolves when its dashboard listens. If it cannot listen, the thread has ended when this rejects.
 *
 * @throws LockstepError ERR_LISTEN
 */
export async function openDashboardThread({
  live,
  port,
  controlToken,
  command,
}: DashboardThreadOptions): Promise<Dashboard> {
  const data: ThreadData = { snapshot: live.snapshot(), port, controlToken };
  const thread = startThread("dashboard-thread-main", import.meta.url, data);
  const post = (message: ToThread) => thread.postMessage(message);
  const unsubscribe = live.subscribe((update) => post({ type: "update", update }));
  const ended = new Promise<void>((resolve) => thread.once("exit", () => resolve()));
  const listening = new Promise<string>((resolve, reject) => {
    thread.on("error", reject);
    ended.then(() => reject(new Error("The dashboard's thread ended before it listened.")));
    thread.on("message", (message: FromThread) => {
      if (message.type === "listening") resolve(message.url);
      else if (message.type === "failed") reject(new LockstepError(message.code, message.reason));
      else post({ type: "done", number: message.number, reason: refusalOf(() => command(message.command)) });
    });
  });
  const url = await listening.catch(async (error) => {
    unsubscribe();
    await thread.terminate();
    throw error;
  });
  thread.unref(); // the process may end while pages are open
  const close = async () => {
    unsubscribe();
    thread.ref(); // wait for the last updates to be sent
    post({ type: "close" });
    await ended;
  };
  return { url, close };
}

function refusalOf(act: () => void): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof LockstepError) return error.message;
    throw error;
  }
}
