import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Door, openDoor } from "@lockstep/door";
import { lineDisplay, makeConfig, stoppedStatus } from "@lockstep/run";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CoordinatorOptions, coordinate } from "./coordinator.ts";
import { newRun } from "./run-start.ts";

const model = fileURLToPath(new URL("../../../test/fixtures/tiny-model.ts", import.meta.url));

let dir: string;
let options: CoordinatorOptions;
let door: Door;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-coordinator-"));
  door = await openDoor({
    ...{ host: "127.0.0.1", port: 0, anyPort: false, maxPayload: 1 },
    onSocket: (socket) => socket.terminate(),
  });
  const start = await newRun(makeConfig({ dataset: "shapes", model }), join(dir, "run"), () => {});
  options = {
    ...start,
    ...{ workers: 2, minWorkers: 1, heartbeatMs: 1000, stallMs: 60_000, balance: "even", version: "v" },
    door: { host: "127.0.0.1", port: 0, anyPort: true },
    display: lineDisplay(() => {}),
    onListening: () => {},
  };
});
afterEach(async () => {
  await door.close();
  rmSync(dir, { recursive: true });
});

/** How many listen for signals that ask this process to stop. */
const listeners = () => process.listenerCount("SIGINT") + process.listenerCount("SIGTERM");

test("a coordinator that cannot listen takes its folder away and lets go of the signals", async () => {
  const before = listeners();
  const taken = { host: "127.0.0.1", port: door.port, anyPort: false };
  await expect(coordinate({ ...options, door: taken })).rejects.toMatchObject({ code: "ERR_LISTEN" });
  expect(existsSync(options.folder.dir)).toBe(false);
  expect(listeners()).toBe(before);
});

test("a coordinator that is asked to stop while it waits for workers ends, with nothing to go on from", async () => {
  const onListening = () => void process.emit("SIGTERM", "SIGTERM");
  expect(await coordinate({ ...options, onListening })).toBe("not begun");
  expect(stoppedStatus()).toBe(143);
  expect(existsSync(options.folder.dir)).toBe(false);
});
