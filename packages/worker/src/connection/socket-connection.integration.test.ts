/** Checks a connection over a real socket that is slow, paused, closed or sent invalid bytes. */
import { once } from "node:events";
import { type CoordinatorMessage, encode, MAX_MESSAGE_BYTES, toStep, toSubtreeId } from "@lockstep/gradient-sync";
import { defined } from "@lockstep/testing";
import { openServer } from "@lockstep/transport";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "./connect.ts";
import type { Connection } from "./connection.ts";

type Socket = Parameters<Parameters<typeof openServer>[0]["onSocket"]>[0];

/** Connects to a server, and returns both ends of the connection. It is closed when the test ends, and then the server. */
async function connected(maxBufferedBytes?: number): Promise<{ connection: Connection; socket: Socket }> {
  const sockets: Socket[] = [];
  const server = await openServer({
    host: "127.0.0.1",
    port: 0,
    anyPort: false,
    maxPayload: MAX_MESSAGE_BYTES,
    onSocket: (socket) => sockets.push(socket),
  });
  const connection = await connect(`ws://127.0.0.1:${server.port}`, {}, maxBufferedBytes);
  onTestFinished(async () => {
    await connection.close();
    await server.close();
  });
  return { connection, socket: defined(sockets[0], "the socket") };
}

const piece = (offset: number): CoordinatorMessage => ({
  type: "update-chunk",
  step: toStep(0),
  subtree: toSubtreeId(0),
  attempt: 0,
  part: 0,
  offset,
  packed: false,
  data: new Uint8Array(2 ** 20),
});

test("a slow worker exerts backpressure on the coordinator, and receives every message in the end", async () => {
  const { connection, socket } = await connected(8 * 2 ** 20);
  const bytes = encode(piece(0)).length;
  for (let i = 0; i < 64; i++) socket.send(encode(piece(i)));
  await vi.waitFor(() => expect(connection.isIdle).toBe(false)); // some have arrived
  const beats = new Promise<void>((resolve) => {
    let received = 0;
    socket.on("message", () => ++received === 10 && resolve());
  });
  connection.heartbeat(20);
  await beats; // its thread is alive, and reads no more
  expect(socket.bufferedAmount).toBeGreaterThan(30 * bytes); // the rest is in the network's buffers
  for (let i = 0; i < 64; i++) expect(await connection.receive()).toMatchObject({ type: "update-chunk", offset: i });
  expect(socket.bufferedAmount).toBe(0);
});

test("a worker with unread messages can close its connection", async () => {
  const { connection, socket } = await connected(2 ** 20);
  for (let i = 0; i < 40; i++) socket.send(encode(piece(i)));
  await connection.receive();
  const closed = once(socket, "close");
  await connection.close();
  expect((await closed)[0]).toBe(1000);
}, 10_000);

test("a paused socket does not count as silence", async () => {
  const { connection, socket } = await connected(2 ** 20);
  for (let i = 0; i < 40; i++) socket.send(encode(piece(i)));
  connection.heartbeat(5); // it would be silent after 50 ms
  for (let beats = 0; beats < 30; beats++) await once(socket, "message");
  for (let i = 0; i < 40; i++) await connection.receive();
  socket.send(encode({ type: "finished" }));
  expect(await connection.receive()).toEqual({ type: "finished" });
});

test.each([
  ["a large one before a small one", [10_000, 1]],
  ["a small one before a large one", [1, 10_000]],
  ["many", [0, 10_000, 1, 10_000, 30_000, 100, 2 ** 20, 10_000, 65_536, 70_000, 50, 33_000, 2 ** 20]],
])("messages that arrive at once are received as they were sent: %s", async (_, sizes) => {
  const { connection, socket } = await connected();
  const pieces = sizes.map((size, i) => ({ ...piece(i), data: new Uint8Array(size).fill(i + 1) }));
  const bytes = pieces.map((message) => encode(message as CoordinatorMessage));
  for (let round = 0; round < 10; round++) {
    for (const each of bytes) socket.send(each);
    for (const { data, ...fields } of pieces) {
      const message = await connection.receive();
      expect(message).toMatchObject(fields);
      expect("data" in message && Buffer.compare(message.data, data)).toBe(0);
    }
  }
});

test("closing the connection rejects every pending receive", async () => {
  const { connection } = await connected();
  const codeOf = (message: Promise<unknown>) => message.catch(({ code }: { code: string }) => code);
  const waiting = [connection.receive(), connection.receive()].map(codeOf);
  await connection.close();
  expect(await Promise.all(waiting)).toEqual(["ERR_DISCONNECTED", "ERR_DISCONNECTED"]);
}, 10_000);

test("an invalid message ends the connection with the reason, and later messages are dropped", async () => {
  const { connection, socket } = await connected();
  const closed = once(socket, "close");
  socket.send(encode({ type: "sync" }));
  socket.send(Buffer.of(0xc1));
  for (let i = 0; i < 100; i++) socket.send(encode({ type: "sync" }));
  expect(await connection.receive()).toEqual({ type: "sync" });
  await expect(connection.receive()).rejects.toMatchObject({ code: "ERR_MESSAGE" });
  expect(String((await closed)[1])).toBe("ERR_MESSAGE");
});
