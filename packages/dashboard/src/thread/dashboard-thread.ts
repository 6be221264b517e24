/** A dashboard on a thread of its own, for a process whose main thread computes for seconds on end. */
import { LockstepError } from "@lockstep/errors";
import { startThread } from "@lockstep/files";
import type { Command } from "@lockstep/run";
import type { LiveRun } from "@lockstep/run/live";
import type { Dashboard } from "../dashboard.ts";
import type { FromThread, ThreadData, ToThread } from "./dashboard-thread-main.ts";

/** The run that the dashboard shows, where it listens, and who carries out its commands. */
export interface DashboardThreadOptions {
  live: LiveRun;
  port?: number | undefined;
  controlToken: string;
  /** Carries out what the page's user wants. @throws LockstepError why it can't */
  command: (command: Command) => void;
}

/** Starts the thread, and resolves when its dashboard listens. @throws LockstepError ERR_LISTEN */
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
  const url = await new Promise<string>((resolve, reject) => {
    thread.on("error", reject);
    ended.then(() => reject(new Error("The dashboard's thread has ended before it listened.")));
    thread.on("message", (message: FromThread) => {
      if (message.type === "listening") resolve(message.url);
      else if (message.type === "failed") reject(new LockstepError(message.code, message.reason));
      else post({ type: "done", number: message.number, reason: refusalOf(() => command(message.command)) });
    });
  });
  thread.unref(); // a run that is over does not wait for its readers
  const close = async () => {
    unsubscribe();
    thread.ref(); // but its last words are heard
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
