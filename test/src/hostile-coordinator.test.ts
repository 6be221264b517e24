/** Tests a real worker against coordinators that break the protocol: it ends with the reason. */

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { BatchThread } from "@lockstep/dataset";
import { knownError } from "@lockstep/errors";
import { MAX_MESSAGE_BYTES, toStep, toSubtreeId } from "@lockstep/gradient-sync";
import { work } from "@lockstep/worker";
import { connectOnThisThread } from "@lockstep/worker/testing";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import {
  afterReady,
  assign,
  chunk,
  cifar10,
  commit,
  config,
  dense,
  evaluate,
  greeting,
  load,
  type Script,
  scriptedCoordinator,
  sendState,
  start,
  welcome,
} from "./testing/scripted-coordinator.ts";

/** A model of 4 TiB. */
const endless = {
  name: "endless",
  inputShape: [32, 32, 3],
  layers: [{ type: "flatten" }, { type: "dense", name: "fc", units: 2 ** 40 }],
};

const threads = vi.hoisted(() => new Map<string, Promise<BatchThread>>());
afterAll(async () => {
  for (const thread of threads.values()) await (await thread).close();
});

// The workers share the thread that makes their batches: starting one from TypeScript takes a second.
vi.mock(import("@lockstep/dataset"), async (original) => {
  const dataset = await original();
  const openBatchThread: typeof dataset.openBatchThread = async (config, options) => {
    if (config.dataset !== "shapes") return dataset.openBatchThread(config, options);
    const key = JSON.stringify(config);
    const opened = threads.get(key) ?? dataset.openBatchThread(config, options);
    threads.set(key, opened);
    const thread = await opened;
    const { meta } = thread;
    return { meta, request: (slice) => thread.request(slice), next: () => thread.next(), close: async () => {} };
  };
  return { ...dataset, openBatchThread };
});

/** Runs a worker in this process, and returns the line with which it would end; undefined if it is dismissed. */
async function lastLineOfWorker(coordinator: string): Promise<string | undefined> {
  const machine = { backend: "cpu" as const };
  const { signal } = new AbortController();
  try {
    const connection = await connectOnThisThread(coordinator);
    await work(connection, { coordinator, join: {}, reconnectMs: 0, machine, log: () => {}, signal });
    return undefined;
  } catch (error) {
    const known = knownError(error);
    if (known === undefined) throw error; // the program would print a stack trace
    return `${known.code}: ${known.message}`;
  }
}

test.for<[string, string, Script]>([
  ["sends random bytes", "ERR_MESSAGE", { open: [Buffer.from("c1ffee00", "hex")] }],
  ["announces more data than it sends", "ERR_MESSAGE", { open: [Buffer.from("ddffffffff", "hex")] }],
  ["sends too large a message", "ERR_CONNECT", { open: [new Uint8Array(MAX_MESSAGE_BYTES + 1)] }],
  ["closes at once", "ERR_DISCONNECTED", { open: ["close"] }],
  ["refuses it", "ERR_FULL", { hello: [{ type: "refused", code: "ERR_FULL", reason: "no\u001b[2J\u202e" }] }],
  ["starts before its welcome", "ERR_MESSAGE_ORDER", { open: [start] }],
  ["requests a state before the start", "ERR_MESSAGE_ORDER", { hello: [...greeting, sendState(0)] }],
  ["has unknown options", "ERR_OPTION", { hello: [{ ...welcome, config: { ...config, no: 1 } }] }],
  ["has an option of another type", "ERR_OPTION", { hello: [{ ...welcome, config: { ...config, lr: {} } }] }],
  ["names a file of this machine", "ERR_MODEL", { hello: [{ ...welcome, config: { ...config, model: "/etc/x.ts" } }] }],
  ["sends an invalid model", "ERR_MODEL_SPEC", { hello: [{ ...welcome, config, spec: { layers: [[[[]]]] } }] }],
  ["sends a model that exceeds the memory", "ERR_MODEL_SPEC", { hello: [{ ...welcome, config, spec: endless }] }],
  ["names a folder by a digest", "ERR_RECORDS", { hello: [cifar10("../../x")] }],
  ["sends a task before the weights", "ERR_MESSAGE_ORDER", afterReady(assign)],
  ["resumes with weights that the worker does not have", "ERR_MESSAGE_ORDER", afterReady({ ...start, state: "held" })],
  ["has a plan for another model", "ERR_PLAN", afterReady({ ...start, forms: ["dense"] })],
  ["wants factors of a convolution", "ERR_PLAN", afterReady({ ...start, forms: dense.with(0, "factored") })],
  ["skips a step", "ERR_MESSAGE_ORDER", afterReady(start, { ...assign, step: toStep(5) })],
  ["requests samples beyond the data", "ERR_SLICE", afterReady(start, { ...assign, start: 2 ** 40, end: 2 ** 40 + 4 })],
  [
    "requests a subtree that does not exist",
    "ERR_SLICE",
    afterReady(start, { ...assign, attempts: [{ subtree: toSubtreeId(1), attempt: 0 }] }),
  ],
  ["groups slices that do not exist", "ERR_SLICE", afterReady(start, { ...assign, subtreeSlices: [2] })],
  ["groups no slices", "ERR_SLICE", afterReady(start, { ...assign, subtreeSlices: [1, 0] })],
  ["evaluates beyond the data", "ERR_SLICE", afterReady(start, evaluate(0, 2 ** 40))],
  ["evaluates nothing", "ERR_SLICE", afterReady(start, evaluate(9, 9))],
  ["commits a step that it did not assign", "ERR_MESSAGE_ORDER", afterReady(start, commit)],
  ["commits a step without its update", "ERR_COMMIT", afterReady(start, assign, commit)],
  ["sends an update of another shape", "ERR_CHUNK", afterReady(start, assign, chunk)],
  ["loads an unknown tensor", "ERR_CHUNK", afterReady(start, load(99, 0))],
  ["loads beyond a tensor", "ERR_CHUNK", afterReady(start, load(0, 2 ** 40))],
  ["loads only a part of the weights", "ERR_CHUNK", afterReady(start, load(0, 0), { type: "load-end", step: 3 })],
  ["requests five states at once", "ERR_MESSAGE_ORDER", afterReady(start, ...[0, 1, 2, 3, 4].map(sendState))],
])("a worker ends with the reason if its coordinator %s: %s", async ([_, code, script]) => {
  const url = await scriptedCoordinator(script);
  expect(await lastLineOfWorker(url)).toMatch(new RegExp(`^${code}: [^\\u001b\\u202e]+$`));
});

test("a worker ends with the reason if its coordinator sends a malformed WebSocket frame", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  server.on("upgrade", ({ headers }, socket) => {
    const key = `${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash("sha1").update(key).digest("base64");
    const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
    socket.write([...lines, `Sec-WebSocket-Accept: ${accept}`, "", ""].join("\r\n"));
    socket.end(Buffer.from("b20474657874", "hex")); // two reserved bits are set
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  expect(await lastLineOfWorker(`ws://127.0.0.1:${port}`)).toBe(
    "ERR_CONNECT: Invalid WebSocket frame: RSV2 and RSV3 must be clear",
  );
});

test("a worker whose coordinator only sends keep-alive messages stays until it is dismissed", async () => {
  const url = await scriptedCoordinator(afterReady(start, { type: "alive" }, { type: "sync" }, { type: "finished" }));
  expect(await lastLineOfWorker(url)).toBe(undefined);
});
