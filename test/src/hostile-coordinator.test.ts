/** Tests a real worker against coordinators that break the protocol: it ends with the reason, without a stack trace. */

import { makeConfig } from "@lockstep/config";
import {
  type CoordinatorMessage,
  decodeFromWorker,
  encode,
  LINK_PROBES,
  MAX_MESSAGE_BYTES,
  toSliceId,
  toStep,
  toWorkerId,
} from "@lockstep/gradient-sync";
import { openServer, type TransportServer } from "@lockstep/transport";
import { afterAll, describe, expect, test } from "vitest";
import tiny from "../fixtures/tiny-model.js";
import { run } from "./testing/program.ts";

type Scripted = CoordinatorMessage | Uint8Array | "close";

/** What the coordinator sends when a worker connects, after its `hello`, and after its `ready`. */
interface Script {
  open?: Scripted[];
  hello?: Scripted[];
  ready?: Scripted[];
}

const config = { ...makeConfig({ model: "tiny", dataset: "shapes" }) };
const welcome = { type: "welcome" as const, workerId: toWorkerId(0), heartbeatMs: 1000, run: "r", codeModel: false };
const probe = { type: "link-probe" as const, data: new Uint8Array(1000) };
const greeting: Scripted[] = [{ ...welcome, config, spec: tiny }, ...new Array<Scripted>(LINK_PROBES).fill(probe)];
const dense = new Array<"dense">(6).fill("dense");
const start = {
  type: "start" as const,
  forms: dense,
  wire: "fp32" as const,
  chunkBytes: 2 ** 20,
  state: "seed" as const,
};
const assign = { type: "assign" as const, step: toStep(0), epoch: 0, start: 0, end: 4, learningRate: 0.1 };
const slice = { slice: toSliceId(0), attempt: 0, start: 0, end: 4 };
const label = { step: toStep(0), slice: toSliceId(0), attempt: 0 };
const floats = (elements: number) => new Uint8Array(4 * elements);

const servers: TransportServer[] = [];
afterAll(() => Promise.all(servers.map((server) => server.close())));

/** Starts a coordinator, and returns its URL. @param drops number of connections to drop on `hello` before the script */
async function coordinator(script: Script, drops = 0): Promise<string> {
  let dropped = 0;
  const server = await openServer({
    host: "127.0.0.1",
    port: 0,
    anyPort: true,
    maxPayload: MAX_MESSAGE_BYTES,
    onSocket: (socket) => {
      const sendAll = (messages: Scripted[] = []) => {
        for (const message of messages) {
          if (message === "close") socket.close(4000, "ERR_WHATEVER");
          else socket.send(message instanceof Uint8Array ? message : encode(message));
        }
      };
      sendAll(script.open);
      socket.on("message", (data: Buffer) => {
        const { type } = decodeFromWorker(data);
        if (type === "hello" && dropped++ < drops) socket.terminate();
        else if (type === "hello" || type === "ready") sendAll(script[type]);
      });
    },
  });
  servers.push(server);
  return `ws://127.0.0.1:${server.port}`;
}

const afterReady = (...ready: Scripted[]): Script => ({ hello: greeting, ready });

describe.concurrent("a worker ends with the reason if its coordinator", () => {
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
    [
      "names a file of this machine",
      "ERR_MODEL",
      { hello: [{ ...welcome, config: { ...config, model: "/etc/x.ts" } }] },
    ],
    ["sends an invalid model", "ERR_MODEL_SPEC", { hello: [{ ...welcome, config, spec: { layers: [[[[]]]] } }] }],
    ["sends a model that exceeds the memory", "ERR_MODEL_SPEC", { hello: [{ ...welcome, config, spec: endless() }] }],
    ["names a folder by a digest", "ERR_RECORDS", { hello: [cifar10("../../x")] }],
    ["sends a task before the weights", "ERR_MESSAGE_ORDER", afterReady({ ...assign, slices: [], sliceSamples: [4] })],
    [
      "resumes with weights that the worker does not have",
      "ERR_MESSAGE_ORDER",
      afterReady({ ...start, state: "held" }),
    ],
    ["has a plan for another model", "ERR_PLAN", afterReady({ ...start, forms: ["dense"] })],
    [
      "wants factors of a convolution",
      "ERR_PLAN",
      afterReady({ ...start, forms: dense.with(0, "factored" as "dense") }),
    ],
    [
      "skips a step",
      "ERR_MESSAGE_ORDER",
      afterReady(start, { ...assign, step: toStep(5), slices: [], sliceSamples: [4] }),
    ],
    ["requests samples beyond the data", "ERR_SLICE", afterReady(start, beyond())],
    [
      "requests a slice that does not exist",
      "ERR_SLICE",
      afterReady(start, { ...assign, slices: [slice], sliceSamples: [2, 2] }),
    ],
    ["evaluates beyond the data", "ERR_SLICE", afterReady(start, evaluate(0, 2 ** 40))],
    ["evaluates nothing", "ERR_SLICE", afterReady(start, evaluate(9, 9))],
    ["commits a step that it did not assign", "ERR_MESSAGE_ORDER", afterReady(start, commit())],
    [
      "commits a step without its update",
      "ERR_COMMIT",
      afterReady(start, { ...assign, slices: [], sliceSamples: [4] }, commit()),
    ],
    [
      "sends an update of another shape",
      "ERR_CHUNK",
      afterReady(start, { ...assign, slices: [], sliceSamples: [4] }, piece()),
    ],
    ["loads an unknown tensor", "ERR_CHUNK", afterReady(start, load(99, 0))],
    ["loads beyond a tensor", "ERR_CHUNK", afterReady(start, load(0, 2 ** 40))],
    ["loads only a part of the weights", "ERR_CHUNK", afterReady(start, load(0, 0), { type: "load-end", step: 3 })],
    ["requests five states at once", "ERR_MESSAGE_ORDER", afterReady(start, ...[0, 1, 2, 3, 4].map(sendState))],
  ])("%s: %s", async ([_, code, script], { task }) => {
    const url = await coordinator(script);
    const words = ["worker", "--coordinator", url, "--backend", "cpu", "--reconnect-ms", "0"];
    const { status, stderr } = await run(words, {}, task);
    expect(stderr).toMatch(new RegExp(`^${code}: [^\\u001b\\u202e]+\\n$`));
    expect(stderr).not.toMatch(/^ +at /m); // no stack trace
    expect(status).toBe(1);
  });

  test("a worker whose coordinator only sends keep-alive messages stays until it is dismissed", async ({ task }) => {
    const url = await coordinator(afterReady(start, { type: "alive" }, { type: "sync" }, { type: "finished" }));
    const { status, stderr } = await run(["worker", "--coordinator", url, "--backend", "cpu"], {}, task);
    expect([stderr, status]).toEqual(["", 0]);
  });

  test("a worker leaves a coordinator that is silent for ten heartbeats", async ({ task }) => {
    const url = await coordinator({});
    const words = ["worker", "--coordinator", url, "--backend", "cpu", "--reconnect-ms", "0"];
    const { status, stderr } = await run(words, {}, task);
    expect(stderr).toMatch(/^ERR_SILENT: Nothing was received from the coordinator for 1\d s.\n$/);
    expect(status).toBe(1);
  });
});

describe.concurrent("a worker whose connection is dropped before the welcome", () => {
  test("tries again, and trains when it is admitted", async ({ task }) => {
    const url = await coordinator(afterReady(start, { type: "finished" }), 2);
    const { status, stdout, stderr } = await run(["worker", "--coordinator", url, "--backend", "cpu"], {}, task);
    expect([stderr, status]).toEqual(["", 0]);
    expect(stdout).toContain("The coordinator closed the connection. Trying to reconnect for 120 s.");
  });

  test("gives up after --reconnect-ms", async ({ task }) => {
    const url = await coordinator({}, Number.POSITIVE_INFINITY);
    const words = ["worker", "--coordinator", url, "--backend", "cpu", "--reconnect-ms", "1000"];
    const { status, stderr } = await run(words, {}, task);
    expect(stderr).toMatch(
      /^ERR_DISCONNECTED: The coordinator closed the connection\. It could not be reached again within 1 s\./,
    );
    expect(status).toBe(1);
  });

  test("gives up with the reason if the team is full for longer than --reconnect-ms", async ({ task }) => {
    const full: Scripted = { type: "refused", code: "ERR_FULL", reason: "no room" };
    const words = ["worker", "--backend", "cpu", "--reconnect-ms", "1000"];
    const { status, stdout, stderr } = await run(
      [...words, "--coordinator", await coordinator(afterReady(full), 1)],
      {},
      task,
    );
    expect([stderr, status]).toEqual(["ERR_FULL: no room\n", 1]);
    expect(stdout.match(/Trying to reconnect/g)).toHaveLength(1);
    expect(stdout).toContain("\nno room\n");
  });

  test("does not reconnect after a refusal with a reason", async ({ task }) => {
    const refused: Scripted = { type: "refused", code: "ERR_PROTOCOL", reason: "another protocol" };
    const { status, stderr } = await run(
      ["worker", "--backend", "cpu", "--coordinator", await coordinator({ hello: [refused] }, 1)],
      {},
      task,
    );
    expect([stderr, status]).toEqual(["ERR_PROTOCOL: another protocol\n", 1]);
  });
});

function endless() {
  const layers = [{ type: "flatten" }, { type: "dense", name: "fc", units: 2 ** 40 }];
  return { name: "endless", inputShape: [32, 32, 3], layers };
}

function cifar10(digest: string): CoordinatorMessage {
  const facts = { dataset: "cifar10" as const, digest, trainSamples: 50_000, testSamples: 10_000 };
  const supplied = { ...facts, mean: [0, 0, 0], std: [1, 1, 1] };
  return { ...welcome, config: { ...config, dataset: "cifar10" }, spec: tiny, supplied };
}

function beyond(): Scripted {
  return { ...assign, start: 2 ** 40, end: 2 ** 40 + 4, slices: [], sliceSamples: [4] };
}

function evaluate(start: number, end: number): Scripted {
  return { type: "evaluate", request: 0, part: "test", start, end };
}

function commit(): Scripted {
  return { type: "commit", step: toStep(0), attempts: [0], samples: 4, lossSum: 1, correct: 0 };
}

function piece(): Scripted {
  return { type: "update-chunk", ...label, part: 0, offset: 0, packed: false, data: floats(7) };
}

function load(tensor: number, offset: number): Scripted {
  return { type: "load-chunk", tensor, kind: "weight", offset, data: floats(1) };
}

function sendState(request: number): Scripted {
  return { type: "send-state", request, window: 8 };
}
