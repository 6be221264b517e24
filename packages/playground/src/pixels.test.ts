/** Tests how the playground receives and decodes pictures. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { defined } from "@lockstep/testing";
import { test as base, expect } from "vitest";
import { MAX_BUFFERED_BODIES, pixelsListener } from "./pixels.ts";

const SIZE = { height: 1, width: 1 };

const nameOf = ({ url }: IncomingMessage) => defined(defined(/name=(.*)/.exec(defined(url)))[1]);

/** A decoder that waits for `open()`, and what happened: "3" for a complete body, and "decoded 3". */
function slowDecoder() {
  const gate = { opened: Promise.resolve(), open: () => {} };
  gate.opened = new Promise((resolve) => {
    gate.open = resolve;
  });
  const happened: string[] = [];
  const decoding = { now: 0, most: 0 };
  const decode = async (_: Uint8Array, name: string) => {
    decoding.most = Math.max(decoding.most, ++decoding.now);
    await gate.opened;
    decoding.now--;
    happened.push(`decoded ${name}`);
    return Buffer.from(name);
  };
  return { happened, decoding, decode, open: () => gate.open() };
}

/** Tests with the fixture `playground`: a server with a slow decoder. */
// biome-ignore lint/correctness/noEmptyPattern: Vitest reads a fixture's needs from this pattern
const test = base.extend("playground", async ({}, { onCleanup }) => {
  const { decode, happened, ...decoder } = slowDecoder();
  const onRequest = pixelsListener(SIZE, decode);
  const server = createServer((request: IncomingMessage, response) => {
    request.once("end", () => {
      happened.push(nameOf(request));
      server.emit("received");
    });
    onRequest(request, response);
  });
  onCleanup(() => server.close().closeAllConnections());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/pixels?name=`;
  const post = async (name: string) => (await fetch(url + name, { method: "POST", body: `a picture ${name}` })).text();
  /** Uploads a body that is a stream. */
  const upload = (name: string, body: ReadableStream<Uint8Array>, signal: AbortSignal | null = null) =>
    fetch(url + name, { method: "POST", body, duplex: "half", signal });
  const received = async (count: number) => {
    while (happened.length < count) await once(server, "received");
  };
  return { ...decoder, happened, post, upload, received, server };
});

test("pictures are decoded one at a time, and further bodies are read meanwhile", async ({ playground }) => {
  const { decoding, open, post, received } = playground;
  const responses = Promise.all(["a", "b", "c"].map(post));
  await received(3);
  open();
  expect(await responses).toEqual(["a", "b", "c"]);
  expect(decoding.most).toBe(1);
});

test("a slow upload does not delay another", async ({ playground: { open, post, upload } }) => {
  open();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const sent = writable.getWriter();
  void sent.write(Buffer.from("half a "));
  const slow = upload("slow", readable);
  expect(await post("quick")).toBe("quick");
  await sent.close();
  expect(await (await slow).text()).toBe("slow");
});

test("only MAX_BUFFERED_BODIES pictures are in memory at once, and the others follow", async ({ playground }) => {
  const { happened, open, post, received } = playground;
  const names = Array.from({ length: MAX_BUFFERED_BODIES + 1 }, (_, index) => `p${index}`);
  const responses = Promise.all(names.map(post));
  await received(MAX_BUFFERED_BODIES);
  open();
  expect((await responses).sort()).toEqual([...names].sort());
  const lastReceived = happened.findLastIndex((what) => !what.startsWith("decoded"));
  expect(happened.findIndex((what) => what.startsWith("decoded"))).toBeLessThan(lastReceived);
});

test("an aborted upload frees its slot", async ({ playground }) => {
  const { open, post, upload, server } = playground;
  open();
  for (let i = 0; i < MAX_BUFFERED_BODIES; i++) {
    const ending = new AbortController();
    const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(Buffer.from("half")) });
    const cut = upload("cut", body, ending.signal);
    const refused = expect(cut).rejects.toThrow("aborted");
    await once(server, "request");
    ending.abort();
    await refused;
  }
  expect(await post("whole")).toBe("whole");
});
