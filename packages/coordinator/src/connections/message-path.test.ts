/** The way of a member's messages: from its session to the team's handler, and not through admission. */

import { once } from "node:events";
import { makeConfig } from "@lockstep/config";
import { at } from "@lockstep/errors";
import {
  encode,
  encodeFloats,
  MAX_MESSAGE_BYTES,
  toStep,
  toSubtreeId,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { openSocket } from "@lockstep/transport";
import { expect, onTestFinished, test, vi } from "vitest";
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
  subtree: toSubtreeId(0),
  attempt: 0,
  part: 0,
  offset: 0,
  ...encodeFloats(Float32Array.of(1, 2), "fp32"),
};
const READY_TOO = { ...READY, fingerprint: fingerprintOfToy(config) };

/** A team whose workers do nothing. */
class ListeningTeam {
  readonly size = 0;
  readonly workers = 2;
  readonly updatesMade = 0;
  readonly maxUpdatesMade = 0;
  readonly members: ReadySession[] = [];
  /** Messages that its handlers received, with their worker. */
  readonly handled: string[] = [];

  join(session: ReadySession) {
    this.members.push(session);
    return ({ type }: WorkerMessage) => void this.handled.push(`${session.hello.name}: ${type}`);
  }

  disconnect() {}
  giveUp() {}
}

/** Serves a team until the test ends. `passed` lists the calls that admission received. */
async function serve() {
  const team = new ListeningTeam();
  const passed: string[] = [];
  const server = await serveSessions({
    listen: { host: "127.0.0.1", port: 0, anyPort: false },
    heartbeatMs: 1000,
    stallMs: 60_000,
    nowMs: () => performance.now(),
    welcome: Promise.resolve({ run: "r", config, codeModel: false }),
    records: Promise.resolve(undefined),
    admission: watched(new Admission({ config, team, version: TOY_CODE.version }), passed),
  });
  onTestFinished(() => server.close());
  /** Joins a worker that says all of this at once. */
  async function worker(...messages: WorkerMessage[]): Promise<WebSocket> {
    const socket = openSocket(`ws://127.0.0.1:${server.port}`, { maxPayload: MAX_MESSAGE_BYTES });
    onTestFinished(() => socket.terminate());
    await once(socket, "open");
    for (const message of messages) socket.send(encode(message));
    return socket;
  }
  const { members, handled } = team;
  return { members, handled, passed, worker };
}

/** Notes each use of admission. */
function watched(admission: Admission, passed: string[]): AdmissionControl {
  return new Proxy(admission, {
    get(target, name: keyof AdmissionControl) {
      passed.push(name);
      return target[name].bind(target);
    },
  });
}

test("a member's gradient chunks go to its handler; admission sees it join and disconnect only", async () => {
  const { handled, passed, worker } = await serve();
  const socket = await worker(HELLO, READY_TOO, CHUNK, CHUNK, { type: "synced" });
  await vi.waitFor(() => expect(handled).toHaveLength(3));
  expect(handled).toEqual(["toy: gradient-chunk", "toy: gradient-chunk", "toy: synced"]);
  expect(passed).toEqual(["admit"]);
  socket.close();
  await vi.waitFor(() => expect(passed).toEqual(["admit", "onDisconnected"]));
});

test("a refused worker's gradient chunks are ignored", async () => {
  const { handled, passed, worker } = await serve();
  const socket = await worker(HELLO, { ...READY_TOO, fingerprint: "another" }, CHUNK, CHUNK);
  const [code, reason] = await once(socket, "close");
  expect(`${code} ${reason}`).toBe("4000 ERR_FINGERPRINT");
  expect(handled).toEqual([]);
  expect(passed).toEqual(["admit"]);
});

test("a dropped worker's gradient chunks are ignored while it continues to send", async () => {
  const { members, handled, passed, worker } = await serve();
  const socket = await worker(HELLO, READY_TOO, CHUNK);
  await vi.waitFor(() => expect(handled).toHaveLength(1));
  at(members, 0).close("ERR_DISMISSED", "no longer wanted");
  for (const _ of [1, 2, 3]) socket.send(encode(CHUNK));
  await once(socket, "close");
  expect(handled).toEqual(["toy: gradient-chunk"]);
  expect(passed).toEqual(["admit", "onDisconnected"]);
});
