/** Checks the messages that a session accepts from its worker, and the code with which it ends. */
import { once } from "node:events";
import { connect } from "node:net";
import type { RecordSource } from "@lockstep/dataset";
import { at } from "@lockstep/errors";
import {
  decodeFromCoordinator,
  encode,
  MAX_MESSAGE_BYTES,
  MAX_RECORD_REQUESTS,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { openSocket } from "@lockstep/transport";
import { expect, onTestFinished, test, vi } from "vitest";
import type { WebSocket } from "ws";
import { HELLO, READY } from "../testing/toy-model.ts";
import type { AdmissionControl } from "./admission-control.ts";
import type { ReadySession } from "./ready-session.ts";
import { type SessionServerOptions, serveSessions } from "./session-server.ts";

const STALL_MS = 60_000;
const LUNCH = { type: "lunch" } as unknown as WorkerMessage;

async function open(options: Partial<SessionServerOptions> = {}) {
  const clock = { nowMs: 0 };
  const joined: ReadySession[] = [];
  const disconnected: string[] = [];
  const heard: string[] = [];
  const failed: string[] = [];
  const admission: AdmissionControl = {
    admit(session) {
      joined.push(session);
      return ({ type }) => void heard.push(type);
    },
    onDisconnected: (_, reason) => void disconnected.push(reason),
    onFailed: ({ name }, { code, message }) => void failed.push(`${name} ${code} ${message}`),
  };
  const server = await serveSessions({
    listen: { host: "127.0.0.1", port: 0, anyPort: false },
    heartbeatMs: 20,
    stallMs: STALL_MS,
    admission,
    nowMs: () => clock.nowMs,
    welcome: Promise.resolve({ run: "r", config: {}, codeModel: false }),
    records: Promise.resolve(undefined),
    ...options,
  });
  onTestFinished(() => server.close());
  return { port: server.port, clock, joined, disconnected, heard, failed };
}

/** A peer, and what it is told. */
async function peer(port: number) {
  const socket = openSocket(`ws://127.0.0.1:${port}`, { maxPayload: MAX_MESSAGE_BYTES });
  onTestFinished(() => socket.terminate());
  const received: ReturnType<typeof decodeFromCoordinator>[] = [];
  socket.on("message", (data: Buffer) => received.push(decodeFromCoordinator(data)));
  socket.on("error", () => {}); // `close` follows
  const closed = new Promise<string>((resolve) => socket.on("close", (code, reason) => resolve(`${code} ${reason}`)));
  await once(socket, "open");
  return {
    socket,
    received,
    closed,
    send(...messages: object[]) {
      for (const message of messages) socket.send(encode(message as WorkerMessage)); // or what looks like one
    },
  };
}

/** A peer that has joined. */
async function worker(port: number) {
  const joined = await peer(port);
  joined.send(HELLO, READY);
  return joined;
}

test("admission is notified of a worker that gives up, with its reason, before and after it joined", async () => {
  const { port, failed, disconnected } = await open();
  const giveUp = { type: "failed", code: "ERR_MODEL_DATA", reason: "too few outputs" };
  const early = await peer(port);
  early.send({ ...HELLO, name: "early" }, giveUp);
  await early.closed;
  const late = await worker(port);
  late.send(giveUp);
  await late.closed;
  expect(failed).toEqual(["early", "toy"].map((name) => `${name} ERR_MODEL_DATA too few outputs`));
  expect(disconnected).toEqual(["too few outputs"]);
});

test("a worker that gives up before hello is reported under its address", async () => {
  const { port, failed } = await open();
  const engineless = await peer(port);
  engineless.send({ type: "failed", code: "ERR_NO_GPU", reason: "no GPU here" });
  expect(await engineless.closed).toBe("4000 ERR_NO_GPU");
  expect(failed).toEqual(["127.0.0.1 ERR_NO_GPU no GPU here"]);
});

test("a worker that leaves before it has joined is released, and its later messages are ignored", async () => {
  const { port, joined, failed, clock } = await open();
  const early = await peer(port);
  early.send(HELLO, { type: "leaving" }, READY, { type: "failed", code: "ERR_NO_GPU", reason: "no GPU here" }, HELLO);
  await vi.waitFor(() => expect(early.received.some(({ type }) => type === "finished")).toBe(true));
  await beats(early, 2);
  expect([joined, failed]).toEqual([[], []]);
  clock.nowMs = 10_001;
  expect(await early.closed).toBe("4000 ERR_SILENT"); // it does not keep its place
});

test("a worker sends its time once: a second clock message is refused", async () => {
  const { port } = await open();
  const { send, received, closed } = await peer(port);
  send(HELLO);
  await vi.waitFor(() => expect(received.some(({ type }) => type === "welcome")).toBe(true));
  send({ type: "clock", nowMs: 1 }, { type: "clock", nowMs: 2 });
  expect(await closed).toBe("4000 ERR_HANDSHAKE");
});

/** Waits until the coordinator has looked at its peers so many times more. */
async function beats({ received }: { received: { type: string }[] }, times: number): Promise<void> {
  const before = received.length;
  await vi.waitFor(() => expect(received.length).toBeGreaterThanOrEqual(before + times));
}

/** Stops to read, while its own messages still go out. */
const stopReading = ({ socket }: { socket: WebSocket }) => socket.pause();

test("a worker's clock is compared with the coordinator's half-way between the welcome and the reply", async () => {
  const { port, clock, joined } = await open();
  clock.nowMs = 100;
  const { send, received } = await peer(port);
  send(HELLO);
  await vi.waitFor(() => expect(received.some(({ type }) => type === "welcome")).toBe(true));
  clock.nowMs = 140;
  send({ type: "clock", nowMs: 50_120 }, READY);
  await vi.waitFor(() => expect(joined[0]?.clockAheadMs).toBe(50_000));
});

test.each<[string, object[], string]>([
  ["what comes first is no hello", [READY], "ERR_HANDSHAKE"],
  ["hello comes twice", [HELLO, HELLO], "ERR_HANDSHAKE"],
  ["it tells its time before it says who it is", [{ type: "clock", nowMs: 1 }], "ERR_HANDSHAKE"],
  ["its protocol is another", [{ ...HELLO, protocol: 0 }], "ERR_PROTOCOL"],
  ["it says that it failed", [{ type: "failed", code: "ERR_GPU_FAULT", reason: "no" }], "ERR_GPU_FAULT"],
  ["its message is none", [LUNCH], "ERR_MESSAGE"],
  ["it asks for records where there are none", [HELLO, want(0)], "ERR_RECORDS"],
])("a connection ends with a code that says why if %s", async (_, messages, code) => {
  const { port } = await open();
  const { send, closed, received } = await peer(port);
  send(...messages);
  expect(await closed).toBe(`4000 ${code}`);
  expect(received.at(-1)).toMatchObject({ type: "refused", code });
});

test("a connection ends if a message exceeds the maximum size", async () => {
  const { port, disconnected } = await open();
  const { socket, closed } = await worker(port);
  socket.send(new Uint8Array(MAX_MESSAGE_BYTES + 1));
  expect(await closed).toBe("1009 ");
  await vi.waitFor(() => expect(disconnected).toEqual(["Max payload size exceeded"]));
});

test("a connection ends if the worker is silent, or sends only heartbeats, before it joins", async () => {
  const { port, clock } = await open();
  const [silent, beating] = [await peer(port), await peer(port)];
  for (clock.nowMs = 0; clock.nowMs < 600_000; clock.nowMs += 9000) {
    beating.send({ type: "heartbeat" });
    beating.socket.ping();
    await once(beating.socket, "pong"); // it was heard
  }
  expect(await silent.closed).toBe("4000 ERR_SILENT");
  clock.nowMs = 600_001;
  expect(await beating.closed).toBe("4000 ERR_HANDSHAKE");
});

test("a connection ends if the worker reads nothing, even if it sends heartbeats", async () => {
  const { port, clock, joined, disconnected } = await open();
  const [stuck, other] = [await worker(port), await worker(port)];
  await vi.waitFor(() => expect(joined).toHaveLength(2));
  stopReading(stuck);
  at(joined, 0).send(Buffer.alloc(64 * 2 ** 20)); // more than the network holds
  await vi.waitFor(() => expect(at(joined, 0).waitingBytes).toBeGreaterThan(0));
  clock.nowMs = STALL_MS - 1;
  stuck.send({ type: "heartbeat" });
  await beats(other, 3);
  expect(disconnected).toEqual([]);
  clock.nowMs = STALL_MS + 1;
  await vi.waitFor(() =>
    expect(disconnected).toEqual(["This worker has read nothing that the coordinator sent for 60 s."]),
  );
});

test("a peer that was closed is ignored from then on, and reported as disconnected once", async () => {
  const { port, joined, disconnected, heard } = await open();
  const { send, closed, received } = await worker(port);
  send({ type: "synced" }, LUNCH, { type: "synced" }, LUNCH, LUNCH);
  expect(await closed).toBe("4000 ERR_MESSAGE");
  expect(heard).toEqual(["synced"]);
  expect(joined).toHaveLength(1);
  expect(disconnected).toHaveLength(1);
  expect(received.filter(({ type }) => type === "refused")).toHaveLength(1);
});

test("a peer that was closed is reported as disconnected at once, even if it does not close its socket", async () => {
  const { port, disconnected } = await open({ heartbeatMs: 60_000 });
  const socket = await rawWorker(port);
  socket.write(frame(encode(LUNCH)));
  await vi.waitFor(() => expect(disconnected).toHaveLength(1));
  socket.destroy();
});

/** A data set of zeros. */
const source = (onRead: () => void) =>
  ({
    read: (_, indexes) => {
      onRead();
      return new Uint8Array(3000 * indexes.length);
    },
  }) as Pick<RecordSource, "read"> as RecordSource;

test("records are read no faster than the peer reads them, so that the queue is bounded", async () => {
  let reads = 0;
  const { port } = await open({ records: Promise.resolve(source(() => reads++)) });
  const asking = await worker(port);
  stopReading(asking);
  for (let request = 0; request < MAX_RECORD_REQUESTS; request++) asking.send(want(request, 1000));
  await vi.waitFor(() => expect(reads).toBeGreaterThan(1));
  await beats(await peer(port), 5);
  expect(reads).toBeLessThan(MAX_RECORD_REQUESTS); // a few answers fit into the buffers of the network
  asking.socket.resume();
  const replies = () => asking.received.filter(({ type }) => type === "records");
  await vi.waitFor(() => expect(replies()).toHaveLength(MAX_RECORD_REQUESTS), 10_000);
  expect(replies().map((reply) => reply.type === "records" && reply.request)).toEqual([...Array(16).keys()]);
});

test("records can be requested a few times at once, and not more often", async () => {
  const { port } = await open({ records: new Promise(() => {}) });
  const { send, closed } = await worker(port);
  for (let request = 0; request <= MAX_RECORD_REQUESTS; request++) send(want(request));
  expect(await closed).toBe("4000 ERR_RECORDS");
});

test("records that cannot be read from disk end only the connection that requested them, with the reason", async () => {
  const broken = source(() => {
    throw new Error("EIO: i/o error, read");
  });
  const { port } = await open({ records: Promise.resolve(broken) });
  const asking = await worker(port);
  asking.send(want(0));
  expect(await asking.closed).toBe("4000 ERR_RECORDS");
  const reason = expect.stringContaining("could not read the requested records: EIO: i/o error, read.");
  expect(asking.received.at(-1)).toEqual({ type: "refused", code: "ERR_RECORDS", reason });
  await beats(await peer(port), 1);
});

test("records have an index below 2³²: larger ones are refused, not wrapped", async () => {
  const { port } = await open({ records: Promise.resolve(source(() => {})) });
  const { send, closed } = await worker(port);
  send({ ...want(0), indexes: [2 ** 32] });
  expect(await closed).toBe("4000 ERR_MESSAGE");
});

function want(request: number, records = 1) {
  return { type: "want-records", request, part: "train", indexes: new Array<number>(records).fill(0) };
}

/** A peer below the WebSocket, which answers no goodbye. */
async function rawWorker(port: number) {
  const socket = connect(port, "127.0.0.1");
  const lines = ["GET / HTTP/1.1", `Host: 127.0.0.1:${port}`, "Upgrade: websocket", "Connection: Upgrade"];
  socket.write([...lines, "Sec-WebSocket-Version: 13", `Sec-WebSocket-Key: ${"A".repeat(22)}==`, "", ""].join("\r\n"));
  await once(socket, "data");
  socket.write(frame(encode(HELLO)));
  socket.write(frame(encode(READY)));
  return socket;
}

/** A WebSocket frame of a client, masked with zeros. */
function frame(data: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(data.length);
  return Buffer.concat([Buffer.of(0x82, 0x80 | 126), length, Buffer.alloc(4), data]);
}
