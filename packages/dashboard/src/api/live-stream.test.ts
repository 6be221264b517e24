/** Tests the stream of events that a page receives. */
import { defined } from "@lockstep/testing";
import { expect } from "vitest";
import { type ServedSite, TOKEN, test } from "../testing/served-site.ts";

/** Returns the first event of the stream, and disconnects. */
async function firstEvent(site: ServedSite, lastEventId?: string) {
  const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
  const received: string[] = [];
  for await (const chunk of await site.request(`/live?token=${TOKEN}`, { headers })) {
    received.push(String(chunk));
    const [, id, event, data] = /id: (.*)\nevent: (.*)\ndata: (.*)\n\n/.exec(received.join("")) ?? [];
    if (data !== undefined) return { id: defined(id), event, data: JSON.parse(data) };
  }
  throw new Error(`The stream ended after ${received.join("")}`);
}

/** Returns the text of an event, or the name of a phase, in each update. */
const textsOf = (data: { event?: { text: string }; phase?: { name: string } }[]) =>
  data.map(({ event, phase }) => event?.text ?? phase?.name);

test("a new page receives a snapshot, and a page that reconnects only what it missed", async ({ site }) => {
  site.live.event("a joined", "joined", { worker: "a" });
  const first = await firstEvent(site);
  expect(first.event).toBe("snapshot");
  expect(first.data).toEqual(JSON.parse(JSON.stringify(site.live.snapshot())));
  site.live.event("a left", "left", { worker: "a" });
  const missed = await firstEvent(site, first.id);
  expect(missed.event).toBe("updates");
  expect(textsOf(missed.data)).toEqual(["a left"]);
  site.live.event("b joined", "joined", { worker: "b" });
  expect(textsOf((await firstEvent(site, missed.id)).data)).toEqual(["b joined"]);
});

test("no messages are stored before the first page connects", async ({ site }) => {
  site.live.event("a joined", "joined");
  expect((await firstEvent(site)).id).toMatch(/-0$/);
  site.live.event("a left", "left");
  expect((await firstEvent(site)).id).toMatch(/-1$/);
});

test("a page with an event id of another process or of the future, or a malformed one, receives a snapshot", async ({
  site,
}) => {
  site.live.event("a joined", "joined");
  const { id } = await firstEvent(site);
  for (const lastId of ["00000000-1", id.replace(/-.*/, "-99"), "nonsense", `${id}x`]) {
    expect((await firstEvent(site, lastId)).event, lastId).toBe("snapshot");
  }
});

test("a page that missed more than the replay buffer holds receives a snapshot", async ({ site }) => {
  const { id } = await firstEvent(site);
  for (let i = 0; i < 256; i++) site.live.event(`event ${i}`, "finished"); // each is a message of its own at the end
  expect((await firstEvent(site, id)).event).toBe("updates");
  site.live.event("event 256", "finished");
  expect((await firstEvent(site, id)).event).toBe("snapshot");
});

test("of several changes of phase in one message only the last is sent", async ({ site }) => {
  const { id } = await firstEvent(site);
  for (const name of ["stepping", "idle", "stepping", "evaluating"] as const) site.live.phase(name);
  site.live.event("the run is finished", "finished");
  expect(textsOf((await firstEvent(site, id)).data)).toEqual(["evaluating", "the run is finished"]);
});

test("an open page receives updates", async ({ site }) => {
  const response = await site.request(`/live?token=${TOKEN}`);
  const received: string[] = [];
  for await (const chunk of response) {
    received.push(String(chunk));
    const text = received.join("");
    if (text.endsWith("\n\n") && !text.includes("event: updates")) site.live.event("a joined", "joined");
    if (text.includes("event: updates")) break;
  }
  expect(received.join("")).toContain("a joined");
});

test("the stream of events needs the token, and guesses are rate limited", async ({ site }) => {
  expect((await site.ask("/live")).status).toBe(401);
  for (let guess = 0; guess < 2; guess++) await site.ask(`/live?token=${guess}`);
  expect((await site.ask(`/live?token=${TOKEN}`)).status).toBe(429);
});
