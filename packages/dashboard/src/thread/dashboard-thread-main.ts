/** Runs the dashboard on a thread of its own, which knows the run from the messages of the main thread. */
import { workerData } from "node:worker_threads";
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import { threadPort } from "@lockstep/files";
import type { Command } from "@lockstep/run";
import { LiveRun, type RunSnapshot, type RunUpdate } from "@lockstep/run/live";
import { type Dashboard, openDashboard } from "../dashboard.ts";

/** What the thread is started with. */
export interface ThreadData {
  snapshot: RunSnapshot;
  port: number | undefined;
  controlToken: string;
}

/** To the thread: what the run does, the outcome of a command, or that it is to end. */
export type ToThread =
  | { type: "update"; update: RunUpdate }
  /** A command was carried out, or why it was not. */
  | { type: "done"; number: number; reason: string | undefined }
  | { type: "close" };

/** From the thread: that it listens, or why not; and commands, each answered by `done` with the same number. */
export type FromThread =
  | { type: "listening"; url: string }
  | { type: "failed"; code: ErrorCode; reason: string }
  | { type: "command"; number: number; command: Command };

/** Commands that the main thread carries out between two pieces of its work. */
class RemoteCommands {
  readonly #pending = new Map<number, { resolve(): void; reject(error: LockstepError): void }>();
  #commands = 0;

  /** Resolves when the command was carried out. @throws LockstepError ERR_COMMAND why it was not */
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
  main.close(); // nobody has a use for this thread any more
}

async function close(): Promise<void> {
  await dashboard?.close();
  main.close();
}

function post(message: FromThread): void {
  main.postMessage(message);
}
