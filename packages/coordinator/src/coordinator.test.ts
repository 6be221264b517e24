/** Checks over real sockets how a coordinator ends that cannot listen, is stopped, or loses its only worker. */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { makeConfig } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import { lineDisplay, openPanel, StopReason } from "@lockstep/run";
import { temporaryFolder } from "@lockstep/testing";
import { expect, onTestFinished, test } from "vitest";
import { coordinate } from "./coordinator.ts";
import type { CoordinatorOptions } from "./run/coordinator-options.ts";
import { openDistributedRun } from "./run/open-run.ts";
import { SocketWorker } from "./testing/fuzz/socket-worker.ts";
import { TOY_CODE } from "./testing/toy-model.ts";

const model = fileURLToPath(new URL("../../../test/fixtures/tiny-model.js", import.meta.url));

/** Returns the options of a coordinator of a new run. */
async function newRunOptions(): Promise<CoordinatorOptions> {
  const config = makeConfig({ dataset: "shapes", model });
  const panel = openPanel(lineDisplay(() => {}));
  const out = join(temporaryFolder(), "run");
  return {
    distributed: await openDistributedRun({ type: "new", config, out }, panel.display),
    panel,
    workers: 2,
    minWorkers: 1,
    heartbeatMs: 1000,
    stallMs: 60_000,
    balance: "even",
    version: "v",
    listen: { host: "127.0.0.1", port: 0, anyPort: true },
    onListening: () => {},
  };
}

/** Returns a port on which a server listens until the test ends. */
async function takenPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Counts the listeners for signals that ask this process to stop. */
const listeners = () => process.listenerCount("SIGINT") + process.listenerCount("SIGTERM");

test("a coordinator that cannot listen removes its folder and its signal handlers", async () => {
  const options = await newRunOptions();
  const before = listeners();
  const taken = { host: "127.0.0.1", port: await takenPort(), anyPort: false };
  await expect(coordinate({ ...options, listen: taken })).rejects.toMatchObject({ code: "ERR_LISTEN" });
  expect(existsSync(options.distributed.run.folder.dir)).toBe(false);
  expect(listeners()).toBe(before);
});

test("a coordinator that is stopped while it waits for workers ends and leaves no run", async () => {
  const options = await newRunOptions();
  const onListening = () => void process.emit("SIGTERM", "SIGTERM");
  expect(await coordinate({ ...options, onListening })).toEqual({ end: "not-begun", status: 143 });
  expect(existsSync(options.distributed.run.folder.dir)).toBe(false);
});

/** Coordinates a run with one worker that computes nothing, and returns what was told until it failed. */
async function failingRun(onEvent: (kind: string, worker: SocketWorker) => void, failures: AbortController) {
  const options = await newRunOptions();
  const { live } = options.panel;
  const events: string[] = [];
  let worker: SocketWorker | undefined;
  live.subscribe((update) => {
    if (update.type !== "event") return;
    events.push(update.event.kind);
    if (worker !== undefined) onEvent(update.event.kind, worker);
  });
  const onListening = (port: number) => {
    worker = new SocketWorker({ port, name: "toy" });
    worker.hangs = true;
    const { socket } = worker;
    onTestFinished(() => socket.terminate());
  };
  const { version } = TOY_CODE;
  const ended = coordinate({ ...options, workers: 1, version, onListening, localWorkers: failures.signal });
  return { events, error: await ended.catch((error: unknown) => error) };
}

const allEnded = new LockstepError("ERR_LOCAL_WORKER", "All workers have exited.");
const failure = new StopReason({ type: "failure", error: allEnded });

test("a run that cannot continue ends with the reason, and does not wait for workers", async () => {
  const failures = new AbortController();
  const { events, error } = await failingRun((kind) => {
    if (kind === "begun") failures.abort(failure);
  }, failures);
  expect(error).toBe(allEnded);
  await setImmediate();
  expect(events).toContain("begun");
  expect(events).not.toContain("paused");
});

test("a run whose last worker is lost ends with the reason if no worker can rejoin", async () => {
  const failures = new AbortController();
  const { events, error } = await failingRun((kind, worker) => {
    if (kind === "begun") worker.socket.terminate();
    if (kind === "lost") queueMicrotask(() => failures.abort(failure)); // the loop is about to hear of the loss
  }, failures);
  expect(error).toBe(allEnded);
  expect(events.slice(-2)).toEqual(["lost", "failed"]);
});
