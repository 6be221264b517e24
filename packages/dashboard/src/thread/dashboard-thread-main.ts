/** Serves the dashboard on a worker thread, which receives the run's updates from the main thread. */
import { workerData } from "node:worker_threads";
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import { threadPort } from "@lockstep/files";
import type { Command } from "@lockstep/run";
import { LiveRun, type RunSnapshot, type RunUpdate } from "@lockstep/run/live";
import { type Dashboard, openDashboard } from "../dashboard.ts";

/** Data that the thread starts with. */
export interface ThreadData {
  snapshot: RunSnapshot;
  port: number | undefined;
  controlToken: string;
}

/** Messages to the thread. */
export type ToThread =
  | { type: "update"; update: RunUpdate }
  /** A command was carried out, or was refused for a reason. */
  | { type: "done"; number: number; reason: string | undefined }
  | { type: "close" };

/** Messages from the thread. The reply to a command is a `done` with the same number. */
export type FromThread =
  | { type: "listening"; url: string }
  | { type: "failed"; code: ErrorCode; reason: string }
  | { type: "command"; number: number; command: Command };

/** Commands that the main thread carries out between two tasks. */
class RemoteCommands {
  readonly #pending = new Map<number, { resolve(): void; reject(error: LockstepError): void }>();
  #commands = 0;

  /** Resolves when the command has been carried out. @throws LockstepError ERR_COMMAND if it is refused */
  command(command: Command): Promise<void> {
    const number = this.#commands++;
    post({ type: "command", number, command });
    return new Promise((resolve, reject) => this.#pending.set(number, { resolve, reject }));
  }

  done(number: number, reason: string | undefined): void {
    const pending = this.#pending.get(number);
    this.#pending.delete(number);
    if (reason === undefined) pending?.resolve();
    else pending?.reject(new LockstepError("ERR_COMMAND", reason));
  }
}

const { snapshot, port, controlToken } = workerData as ThreadData;
const main = threadPort();
const live = new LiveRun(snapshot);
const commands = new RemoteCommands();
let dashboard: Dashboard | undefined;

main.on("message", (message: ToThread) => {
  switch (message.type) {
    case "update":
      return live.apply(message.update);
    case "done":
      return commands.done(message.number, message.reason);
    case "close":
      return close();
  }
});

try {
  const command = (sent: Command) => commands.command(sent);
  dashboard = await openDashboard({ live, port, control: { token: controlToken, command } });
  post({ type: "listening", url: dashboard.url });
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  post({ type: "failed", code: error.code, reason: error.message });
  main.close(); // without a server the thread has no purpose
}

async function close(): Promise<void> {
  await dashboard?.close();
  main.close();
}

function post(message: FromThread): void {
  main.postMessage(message);
}
