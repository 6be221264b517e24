import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { LockstepError } from "@lockstep/errors";
import type { Command } from "@lockstep/run";
import { LiveRun, type RunPhase, type RunUpdate } from "@lockstep/run/live";
import { defined } from "@lockstep/testing";
import { openServer, type TransportServer } from "@lockstep/transport";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeSite, type Site } from "./site.ts";

const TOKEN = "let-me-in";
const CONTROL = "let-me-command";

let live: LiveRun;
let site: Site;
let server: TransportServer;
let commands: Command[];

beforeEach(async () => {
  live = new LiveRun(undefined, () => 0);
  commands = [];
  const command = async (sent: Command) => {
    if (sent.do === "drop") throw new LockstepError("ERR_COMMAND", `No worker ${sent.worker} is here.`);
    commands.push(sent);
  };
  site = makeSite({ live, control: { token: CONTROL, command } });
  const { onRequest, isProtected } = site;
  const address = { host: "127.0.0.1", port: 0, anyPort: false, token: TOKEN };
  server = await openServer({
    ...address,
    maxPayload: 1,
    onSocket: (socket) => socket.close(),
    onRequest,
    isProtected,
  });
});
afterEach(async () => {
  site.close();
  await server.close();
});

interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

async function ask(
  path: string,
  { method = "GET", headers = {}, body }: RequestOptions = {},
): Promise<IncomingMessage> {
  const request = httpRequest({ host: "127.0.0.1", port: server.port, path, method, headers }).end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response.setEncoding("utf8");
}

/** Returns the first event of the stream, and disconnects. */
async function eventOf(headers: Record<string, string> = {}) {
  const response = await ask(`/live?token=${TOKEN}`, { headers });
  let text = "";
  for await (const chunk of response) {
    text += chunk;
    const [, id, event, data] = /id: (.*)\nevent: (.*)\ndata: (.*)\n\n/.exec(text) ?? [];
    if (data !== undefined) return { id: defined(id), event, data: JSON.parse(data) };
  }
  throw new Error(`The stream ended after ${text}`);
}

describe("the stream", () => {
  test("the event stream starts with a snapshot, and sends a page that reconnects only what it missed", async () => {
    live.event("a joined", "joined", { worker: "a" });
    const first = await eventOf();
    expect(first.event).toBe("snapshot");
    expect(first.data).toEqual(JSON.parse(JSON.stringify(live.snapshot())));
    live.event("a left", "left", { worker: "a" });
    const missed = await eventOf({ "last-event-id": first.id });
    expect(missed.event).toBe("updates");
    expect(missed.data.map(({ event }: Extract<RunUpdate, { type: "event" }>) => event.text)).toEqual(["a left"]);
    live.event("b joined", "joined", { worker: "b" });
    expect((await eventOf({ "last-event-id": missed.id })).data).toHaveLength(1);
  });

  test("the event stream stores no messages before the first page connects", async () => {
    live.event("a joined", "joined");
    expect((await eventOf()).id).toMatch(/-0$/);
    live.event("a left", "left");
    expect((await eventOf()).id).toMatch(/-1$/);
  });

  test("the event stream sends a snapshot if the last event id is of another process, of the future, or malformed", async () => {
    live.event("a joined", "joined");
    const { id } = await eventOf();
    for (const lastId of ["00000000-1", id.replace(/-.*/, "-99"), "nonsense", `${id}x`]) {
      expect((await eventOf({ "last-event-id": lastId })).event, lastId).toBe("snapshot");
    }
  });

  test("the event stream sends a snapshot to a page that missed more than the replay buffer holds", async () => {
    live.event("a joined", "joined");
    const { id } = await eventOf();
    for (let i = 0; i < 300; i++) {
      live.event(`event ${i}`, "joined");
      await eventOf(); // makes a message of it
    }
    expect((await eventOf({ "last-event-id": id })).event).toBe("snapshot");
  });

  test("the event stream sends only the last of several changes of phase, in order", async () => {
    const { id } = await eventOf();
    for (const name of ["stepping", "idle", "stepping", "evaluating"] as const) live.phase(name);
    live.event("the run is finished", "finished");
    const { data } = await eventOf({ "last-event-id": id });
    expect(data.map(({ type, phase }: { type: string; phase?: RunPhase }) => phase?.name ?? type)).toEqual([
      "evaluating",
      "event",
    ]);
  });

  test("the event stream sends updates to an open page", async () => {
    const response = await ask(`/live?token=${TOKEN}`);
    let text = "";
    for await (const chunk of response) {
      text += chunk;
      if (text.endsWith("\n\n") && !text.includes("event: updates")) live.event("a joined", "joined");
      if (text.includes("event: updates")) break;
    }
    expect(text).toContain("a joined");
  });
});

describe("access", () => {
  test("the page needs no token, the data that it shows does", async () => {
    for (const path of ["/", "/page.js", "/palette.css", "/page.css", "/uplot.css", "/icon.svg"]) {
      expect((await ask(path)).resume().statusCode, path).toBe(200);
    }
    for (const path of ["/live", "/others.json", "/nothing", "/live?token=wrong"]) {
      expect((await ask(path)).resume().statusCode, path).toBe(401);
    }
    const headers = { authorization: `Bearer ${TOKEN}` };
    expect((await ask("/others.json", { headers })).resume().statusCode).toBe(200);
    expect((await ask("/nothing", { headers })).resume().statusCode).toBe(404);
  });

  test("a client that guesses the token is rate limited", async () => {
    for (let guess = 0; guess < 10; guess++) (await ask(`/live?token=${guess}`)).resume();
    expect((await ask(`/live?token=${TOKEN}`)).resume().statusCode).toBe(429);
  });
});

describe("commands", () => {
  const json = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
  const allowed = { ...json, "x-lockstep-control": CONTROL };
  const post = async (headers: Record<string, string>, body: string) => {
    const response = await ask("/control", { method: "POST", headers, body });
    let text = "";
    for await (const chunk of response) text += chunk;
    return [response.statusCode, text.trim()];
  };

  test("commands with the control token are carried out", async () => {
    expect(await post(allowed, '{"do":"pause"}')).toEqual([200, "OK"]);
    expect(commands).toEqual([{ do: "pause" }]);
  });

  test.each([
    ["without the control token", json, '{"do":"stop"}', 401],
    ["with a wrong control token", { ...json, "x-lockstep-control": TOKEN }, '{"do":"stop"}', 401],
    ["without the run's token", { "x-lockstep-control": CONTROL }, '{"do":"stop"}', 401],
    ["from a page of another site", { ...allowed, origin: "http://elsewhere.example" }, '{"do":"stop"}', 403],
    ["that do not exist", allowed, '{"do":"dance"}', 409],
    ["that are not JSON", allowed, "stop", 409],
    ["that are too long", allowed, "x".repeat(5000), 413],
  ])("commands %s are refused", async (_, headers, body, status) => {
    expect((await post(headers, body))[0]).toBe(status);
    expect(commands).toEqual([]);
  });

  test("that can't be carried out say why, and a link can't carry one", async () => {
    expect(await post(allowed, '{"do":"drop","worker":"a"}')).toEqual([409, "No worker a is here."]);
    expect((await ask("/control", { headers: allowed })).resume().statusCode).toBe(405);
  });
});
