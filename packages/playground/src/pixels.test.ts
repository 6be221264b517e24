import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { defined } from "@lockstep/testing";
import { afterEach, expect, test } from "vitest";
import { MAX_BUFFERED_BODIES, pixelsListener } from "./pixels.ts";

const SIZE = { height: 1, width: 1 };
const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

/** Starts a server whose decoder waits for `open()`. `happened` logs "3" for a complete body, and "decoded 3". */
async function slowServer() {
  const happened: string[] = [];
  let open!: () => void;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const decoding = { now: 0, most: 0 };
  const decode = async (_: Uint8Array, name: string) => {
    decoding.most = Math.max(decoding.most, ++decoding.now);
    await gate;
    decoding.now--;
    happened.push(`decoded ${name}`);
    return Buffer.from(name);
  };
  const onRequest = pixelsListener(SIZE, decode);
  const server = createServer((request: IncomingMessage, response) => {
    request.once("end", () => {
      happened.push(nameOf(request));
      server.emit("received");
    });
    onRequest(request, response);
  });
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/pixels?name=`;
  const post = async (name: string) => (await fetch(url + name, { method: "POST", body: `a picture ${name}` })).text();
  const received = async (count: number) => {
    while (happened.length < count) await once(server, "received");
  };
  return { happened, decoding, open, post, taken: received, server, url };
}
const nameOf = ({ url }: IncomingMessage) => defined(defined(/name=(.*)/.exec(defined(url)))[1]);

test("pictures are decoded one at a time, and further bodies are read meanwhile", async () => {
  const { decoding, open, post, taken: received } = await slowServer();
  const responses = Promise.all(["a", "b", "c"].map(post));
  await received(3);
  open();
  expect(await responses).toEqual(["a", "b", "c"]);
  expect(decoding.most).toBe(1);
});

test("a slow upload does not delay another", async () => {
  const { open, post, url } = await slowServer();
  open();
  let sendRest!: () => void;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(Buffer.from("half a "));
      sendRest = () => controller.close();
    },
  });
  const slow = fetch(`${url}slow`, { method: "POST", body, duplex: "half" } as RequestInit);
  expect(await post("quick")).toBe("quick");
  sendRest();
  expect(await (await slow).text()).toBe("slow");
});

test("only MAX_BUFFERED_BODIES pictures are in memory at once, and the others follow", async () => {
  const { happened, open, post, taken: received } = await slowServer();
  const names = Array.from({ length: MAX_BUFFERED_BODIES + 1 }, (_, index) => `p${index}`);
  const responses = Promise.all(names.map(post));
  await received(MAX_BUFFERED_BODIES);
  open();
  expect((await responses).sort()).toEqual([...names].sort());
  const lastReceived = happened.findLastIndex((what) => !what.startsWith("decoded"));
  expect(happened.findIndex((what) => what.startsWith("decoded"))).toBeLessThan(lastReceived);
});

test("an aborted upload frees its slot", async () => {
  const { open, post, server, url } = await slowServer();
  open();
  for (let i = 0; i < MAX_BUFFERED_BODIES; i++) {
    const ending = new AbortController();
    const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(Buffer.from("half")) });
    const cut = fetch(`${url}cut`, { method: "POST", body, duplex: "half", signal: ending.signal } as RequestInit);
    const refused = expect(cut).rejects.toThrow("aborted");
    await once(server, "request");
    ending.abort();
    await refused;
  }
  expect(await post("whole")).toBe("whole");
});
