/** The way of a member's messages: from its session to the team's handler, and not through admission. */

import { once } from "node:events";
import { makeConfig } from "@lockstep/config";
import {
  encode,
  encodeFloats,
  MAX_MESSAGE_BYTES,
  toSliceId,
  toStep,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { openSocket, type TransportServer } from "@lockstep/transport";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { WebSocket } from "ws";
import { Admission } from "../admission/admission.ts";
import { fingerprintOfToy, HELLO, READY, TOY_CODE } from "../testing/toy-model.ts";
import type { AdmissionControl } from "./admission-control.ts";
import type { ReadySession } from "./ready-session.ts";
import { serveSessions } from "./session-server.ts";

const config = { ...makeConfig({}) };
const CHUNK: WorkerMessage = {
  type: "gradient-chunk",
  step: toStep(0),
  slice: toSliceId(0),
  attempt: 0,
  part: 0,
  offset: 0,
  ...encodeFloats(Float32Array.of(1, 2), "fp32"),
};
const READY_TOO = { ...READY, fingerprint: fingerprintOfToy(config) };

let server: TransportServer;
/** Calls that admission received. */
let passed: string[];
/** Messages that the team's handlers received, with their worker. */
let handled: string[];
let members: ReadySession[];
const sockets: WebSocket[] = [];

beforeEach(async () => {
  [passed, handled, members] = [[], [], []];
  const team = {
    size: 0,
    workers: 2,
    updatesMade: 0,
    mostUpdatesMade: 0,
    join(session: ReadySession) {
      members.push(session);
      return ({ type }: WorkerMessage) => void handled.push(`${session.hello.name}: ${type}`);
    },
    disconnect() {},
    giveUp() {},
  };
  server = await serveSessions({
    listen: { host: "127.0.0.1", port: 0, anyPort: false },
    heartbeatMs: 1000,
    stallMs: 60_000,
    nowMs: () => performance.now(),
    welcome: Promise.resolve({ run: "r", config, codeModel: false }),
    records: Promise.resolve(undefined),
    admission: watched(new Admission({ config, team, version: TOY_CODE.version })),
  });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await server.close();
});

/** Notes each use of admission. */
function watched(admission: Admission): AdmissionControl {
  return new Proxy(admission, {
    get(target, name: keyof AdmissionControl) {
      passed.push(name);
      return target[name].bind(target);
    },
  });
}

/** A worker that says all of this at once. */
async function worker(...messages: WorkerMessage[]): Promise<WebSocket> {
  const socket = openSocket(`ws://127.0.0.1:${server.port}`, { maxPayload: MAX_MESSAGE_BYTES });
  sockets.push(socket);
  await once(socket, "open");
  for (const message of messages) socket.send(encode(message));
  return socket;
}

test("a member's gradient chunks go to its handler; admission sees it join and disconnect only", async () => {
  const socket = await worker(HELLO, READY_TOO, CHUNK, CHUNK, { type: "synced" });
  await vi.waitFor(() => expect(handled).toHaveLength(3));
  expect(handled).toEqual(["toy: gradient-chunk", "toy: gradient-chunk", "toy: synced"]);
  expect(passed).toEqual(["admit"]);
  socket.close();
  await vi.waitFor(() => expect(passed).toEqual(["admit", "onDisconnected"]));
});

test("a refused worker's gradient chunks are ignored", async () => {
  const socket = await worker(HELLO, { ...READY_TOO, fingerprint: "another" }, CHUNK, CHUNK);
  const [code, reason] = await once(socket, "close");
  expect(`${code} ${reason}`).toBe("4000 ERR_FINGERPRINT");
  expect(handled).toEqual([]);
  expect(passed).toEqual(["admit"]);
});

test("a dropped worker's gradient chunks are ignored while it goes on sending", async () => {
  const socket = await worker(HELLO, READY_TOO, CHUNK);
  await vi.waitFor(() => expect(handled).toHaveLength(1));
  members[0]?.close("ERR_DISMISSED", "no longer wanted");
  for (const _ of [1, 2, 3]) socket.send(encode(CHUNK));
  await once(socket, "close");
  expect(handled).toEqual(["toy: gradient-chunk"]);
  expect(passed).toEqual(["admit", "onDisconnected"]);
});
