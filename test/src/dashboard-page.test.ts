/** Tests the dashboard's page in a real browser, with a server and a live run in this process. */
import { makeSite } from "@lockstep/dashboard";
import { type Command, parseRunFile } from "@lockstep/run";
import { LiveRun } from "@lockstep/run/live";
import { derivedForTests } from "@lockstep/run/testing";
import { defined } from "@lockstep/testing";
import { openServer } from "@lockstep/transport";
import { expect } from "vitest";
import { test as base, stepsOn } from "./testing/dashboard/browser.ts";
import { TcpProxy } from "./testing/network/tcp-proxy.ts";

const CONTROL = "a-token-for-controls";
const WORKERS = ["a", "b", "c"];

/** A run of three workers with a dashboard. */
async function servedRun() {
  const live = new LiveRun();
  const run = parseRunFile({ machine: {}, derived: derivedForTests({ steps: 1000 }) }, "config.json");
  live.apply({ type: "facts", name: "run", run });
  live.event("the run starts", "begun");
  for (const worker of WORKERS) live.event(`${worker} joined`, "joined", { worker });
  const commands: Command[] = [];
  const control = { token: CONTROL, command: async (command: Command) => void commands.push(command) };
  const site = makeSite({ live, control });
  const server = await openServer({
    host: "127.0.0.1",
    port: 0,
    anyPort: false,
    allowHosts: ["127.0.0.1"], // lets pages connect through a proxy on another port
    onRequest: site.onRequest,
    isProtected: site.isProtected,
    maxPayload: 1,
    onSocket: (socket) => socket.terminate(),
  });
  const close = async () => {
    site.close();
    await server.close();
  };
  return { live, commands, port: server.port, close };
}

/** Adds a step of all workers to a run. */
function addStep(live: LiveRun, step: number): void {
  const share = { samples: 4, bytesUp: 100, bytesDown: 200, ms: { forward: 2, backward: 4, wait: 1 }, io: {} };
  const workers = WORKERS.map((name) => ({ name, ...share }));
  const sums = { epoch: 1, loss: 2, samples: 12, correct: 3, lr: 0.1, ms: { step: 10 } };
  live.apply({ type: "row", row: { type: "step", step, ...sums, workers } });
}

/** Tests with `served`, a run after 20 steps with its dashboard, and a `proxy` to it. Both outlive the pages. */
const test = base
  .extend("served", async ({ pages }, { onCleanup }) => {
    const served = await servedRun();
    onCleanup(() => pages.close().finally(served.close));
    for (let step = 0; step < 20; step++) addStep(served.live, step);
    return served;
  })
  .extend("proxy", async ({ pages, served }, { onCleanup }) => {
    const proxy = await TcpProxy.to(served.port);
    onCleanup(() => pages.close().finally(() => proxy.close()));
    return proxy;
  });

test("a page without the control token shows no controls, and cannot send commands", async ({ pages, served }) => {
  const page = await pages.open(served.port);
  await page.locator("#workers tr").first().waitFor();
  expect(await page.locator("#controls").isVisible()).toBe(false);
  expect(await page.locator("#workers button").first().isVisible()).toBe(false);
  const response = await page.request.post(`http://127.0.0.1:${served.port}/control`, { data: { do: "stop" } });
  expect(response.status()).toBe(401);
  expect(served.commands).toEqual([]);
});

test("a page is controlled by keyboard, and a command that is not confirmed is not sent", async ({ pages, served }) => {
  const page = await pages.open(served.port, { fragment: `#control=${CONTROL}` });
  await page.keyboard.press("Tab");
  expect(await page.evaluate("document.activeElement.id")).toBe("pause");
  await page.keyboard.press("Enter");
  expect(await page.locator("#confirm").isVisible()).toBe(true);
  await page.keyboard.press("Escape");
  expect(await page.locator("#confirm").isVisible()).toBe(false);
  expect(served.commands).toEqual([]);
});

test("a page receives what it missed after an interruption, and nothing twice", async ({ pages, served, proxy }) => {
  const page = await pages.open(Number(new URL(proxy.url).port));
  expect(await stepsOn(page)).toBe(20);
  const again = page.waitForRequest((request) => request.url().endsWith("/live"));
  proxy.cut();
  served.live.event("d joined", "joined", { worker: "d" });
  for (let step = 20; step < 25; step++) addStep(served.live, step);
  expect((await (await again).allHeaders())["last-event-id"]).toMatch(/^\w+-\d+$/);
  await expect.poll(() => stepsOn(page)).toBe(25);
  expect(await page.locator("html").getAttribute("data-connection")).toBe("live");
  expect((await page.locator("#events li").allTextContents()).map((text) => text.replace(/^[\d:]+ */, ""))).toEqual([
    "d joined",
    "c joined",
    "b joined",
    "a joined",
    "the run starts",
  ]);
  pages.assertOnlyDisconnected();
});

test.for(["light", "dark"] as const)(
  "a page fits a phone and a wide screen in %s colours",
  async (colorScheme, { pages, served }) => {
    for (const width of [390, 1400]) {
      const page = await pages.open(served.port, { viewport: { width, height: 800 }, colorScheme });
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
      const paper = await page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor");
      expect(Number(defined(/\d+/.exec(paper))[0]) < 128).toBe(colorScheme === "dark");
    }
  },
);
