/** Counts the pieces of a scripted snapshot that are in flight, and whether each snapshot is disposed of. */
import { expect, test } from "vitest";
import { ScriptedConnection } from "../testing/scripted-connection.ts";
import { StateSender } from "./state-sender.ts";

/** Makes a snapshot of pieces with one element each, which counts the pieces read and the calls of dispose. */
function snapshotOf(pieces: number) {
  const snapshot = {
    read: 0,
    disposed: 0,
    async *pieces() {
      for (let offset = 0; offset < pieces; offset++) {
        snapshot.read++;
        yield { tensor: 0, kind: "weight" as const, offset, values: Float32Array.of(10 + offset) };
      }
    },
    dispose: () => void snapshot.disposed++,
  };
  return snapshot;
}
const ask = (request: number, window: number) => ({ type: "send-state" as const, request, window });
const chunk = (request: number, offset: number) => ({
  type: "state-chunk",
  request,
  tensor: 0,
  kind: "weight",
  offset,
  data: new Uint8Array(Float32Array.of(10 + offset).buffer),
});
/** Waits for more turns of the event loop than any transfer here needs. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}

test("a state is sent piece by piece, followed by its end with the step", async () => {
  const [connection, snapshot] = [new ScriptedConnection(), snapshotOf(3)];
  await new StateSender(connection).send(ask(4, 8), 17, snapshot);
  expect(connection.sent).toEqual([chunk(4, 0), chunk(4, 1), chunk(4, 2), { type: "state-end", request: 4, step: 17 }]);
  expect(snapshot.disposed).toBe(1);
});

test("at most a window of pieces is in flight, and each acknowledgement allows one more", async () => {
  const [connection, snapshot] = [new ScriptedConnection(), snapshotOf(5)];
  const sender = new StateSender(connection);
  const sent = sender.send(ask(0, 2), 1, snapshot);
  await turns();
  expect(connection.sent).toHaveLength(2);
  sender.acknowledge(1); // of another request
  await turns();
  expect(connection.sent).toHaveLength(2);
  sender.acknowledge(0);
  await turns();
  expect(connection.sent).toHaveLength(3);
  sender.acknowledge(0);
  sender.acknowledge(0);
  await sent;
  expect(connection.sent).toHaveLength(5 + 1);
  sender.acknowledge(0); // the last acknowledgements arrive when everything was sent
});

test("several pieces are sent per turn of the event loop, and other messages are handled in between", async () => {
  const connection = new ScriptedConnection();
  const sent = new StateSender(connection).send(ask(0, 32), 1, snapshotOf(32));
  await new Promise(setImmediate);
  const inOneTurn = connection.sent.length;
  await sent;
  expect(inOneTurn).toBeLessThan(32);
  expect(inOneTurn).toBeGreaterThan(1);
});

test("two states at once have separate windows", async () => {
  const connection = new ScriptedConnection();
  const sender = new StateSender(connection);
  const [first, second] = [snapshotOf(3), snapshotOf(2)];
  const sent = [sender.send(ask(7, 1), 5, first), sender.send(ask(8, 2), 6, second)];
  await sent[1];
  expect(connection.sent.filter((message) => "request" in message && message.request === 8)).toEqual([
    chunk(8, 0),
    chunk(8, 1),
    { type: "state-end", request: 8, step: 6 },
  ]);
  expect([first.disposed, second.disposed]).toEqual([0, 1]);
  sender.acknowledge(7);
  sender.acknowledge(7);
  await sent[0];
  expect(connection.sent.at(-1)).toEqual({ type: "state-end", request: 7, step: 5 });
});

test("closing aborts transfers that wait for acknowledgements, and disposes of their snapshots", async () => {
  const [connection, snapshot] = [new ScriptedConnection(), snapshotOf(9)];
  const sender = new StateSender(connection);
  const sent = [sender.send(ask(0, 2), 1, snapshot), sender.send(ask(1, 1), 1, snapshot)];
  await turns();
  sender.close();
  await Promise.all(sent);
  expect([connection.sent.length, snapshot.disposed]).toEqual([3, 2]);
});

test("closing aborts a transfer under way, and disposes of its snapshot", async () => {
  const [connection, snapshot] = [new ScriptedConnection(), snapshotOf(30)];
  const sender = new StateSender(connection);
  const sent = sender.send(ask(0, 100), 1, snapshot);
  await new Promise(setImmediate);
  sender.close();
  await sent;
  expect(connection.sent.length).toBeLessThan(30);
  expect(snapshot.disposed).toBe(1);
});

test("a snapshot that cannot be read is disposed of, and the error is thrown", async () => {
  const snapshot = snapshotOf(1);
  const broken = {
    ...snapshot,
    // biome-ignore lint/correctness/useYield: it fails before its first piece
    async *pieces(): ReturnType<typeof snapshot.pieces> {
      throw new Error("out of memory");
    },
  };
  await expect(new StateSender(new ScriptedConnection()).send(ask(0, 1), 1, broken)).rejects.toThrow("out of memory");
  expect(snapshot.disposed).toBe(1);
});
