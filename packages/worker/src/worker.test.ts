/** Checks over a real socket what a coordinator learns of a worker whose engine does not start. */
import { once } from "node:events";
import { decodeFromWorker, MAX_MESSAGE_BYTES, type WorkerMessage } from "@lockstep/gradient-sync";
import { openServer } from "@lockstep/transport";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "./connection/connect.ts";
import { work } from "./worker.ts";

test("a worker whose engine does not start reports the reason to the coordinator and closes its connection", async () => {
  const received: WorkerMessage[] = [];
  let closed: Promise<unknown> | undefined;
  const server = await openServer({
    host: "127.0.0.1",
    port: 0,
    anyPort: false,
    maxPayload: MAX_MESSAGE_BYTES,
    onSocket: (socket) => {
      socket.on("message", (data: Buffer) => received.push(decodeFromWorker(data)));
      closed = once(socket, "close").then(([code]) => code);
    },
  });
  onTestFinished(() => server.close());
  const coordinator = `ws://127.0.0.1:${server.port}`;
  const { signal } = new AbortController();
  const options = { coordinator, join: {}, reconnectMs: 0, log: () => {}, signal, machine: { threads: 0 } };
  const working = work(await connect(coordinator, {}), options);
  await expect(working).rejects.toMatchObject({ code: "ERR_THREADS" });
  expect(await closed).toBe(1000);
  expect(received).toContainEqual({ type: "failed", code: "ERR_THREADS", reason: expect.stringContaining("got 0") });
}, 20_000);
