/** Tests the dashboard in a real browser, with real runs. */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defined } from "@lockstep/testing";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type Running, run, start, tinyModel } from "./testing/program.ts";
import { TcpProxy } from "./testing/tcp-proxy.ts";
import { Training } from "./testing/training.ts";
import { stepsOf } from "./testing/undisturbed.ts";

const executablePath = process.env["LOCKSTEP_TEST_CHROMIUM"] ?? "/usr/bin/chromium";
const lack = existsSync(executablePath) ? "" : ` (needs LOCKSTEP_TEST_CHROMIUM, or Chromium at ${executablePath})`;

const CONTROL = "a-token-for-controls";
const data = ["--dataset", "shapes", "--train-fraction", "0.9", "--lr", "0.02", "--num-epochs", "1000"];
const tiny = ["--model", tinyModel, ...data, "--batch-size", "60"];

const dir = mkdtempSync(join(tmpdir(), "lockstep-dashboard-"));
const problems: string[] = [];
const hosts = new Set<string>();
let browser: Browser;

beforeAll(async () => {
  vi.stubEnv("LOCKSTEP_CONTROL_TOKEN", CONTROL);
  if (lack === "") browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser?.close();
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, maxRetries: 10 });
});

async function openPage(port: number, options: BrowserContextOptions = {}, fragment = ""): Promise<Page> {
  const page = await (await browser.newContext(options)).newPage();
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("request", (request) => hosts.add(new URL(request.url()).host));
  await page.goto(`http://127.0.0.1:${port}/${fragment}`);
  await page.locator("#progress-text", { hasText: "step" }).waitFor();
  await page.evaluate("new Promise(requestAnimationFrame)"); // Chromium ignores keys until a page is painted
  return page;
}

/** Closes the pages of a test. They must have had no errors, and sent requests to these ports only. */
async function closePages(...ports: number[]): Promise<void> {
  await Promise.all(browser.contexts().map((context) => context.close()));
  const asked = [...hosts];
  hosts.clear();
  expect(problems.splice(0)).toEqual([]);
  expect(ports.map((port) => `127.0.0.1:${port}`)).toEqual(expect.arrayContaining(asked));
}

const portOf = ({ stdout }: Running) => Number(defined(/dashboard: http:\/\/127\.0\.0\.1:(\d+)/.exec(stdout()))[1]);

/** Returns the number of completed steps that the page shows. */
async function stepsOn(page: Page): Promise<number> {
  const text = await page.locator("#progress-text").textContent();
  return Number(defined(defined(/step ([\d,]+)/.exec(defined(text)))[1]).replaceAll(",", ""));
}

/** Returns the step in the legend: the one under the pointer, or the last. */
async function stepOfChart(page: Page, chart: string): Promise<number> {
  return Number(defined(await page.locator(`#${chart} .u-value`).first().textContent()).replaceAll(",", ""));
}

const stateIs = (page: Page, state: string) => page.locator(`#state[data-state="${state}"]`).waitFor();
const rowOf = (page: Page, worker: string, state: string) =>
  page.locator(`#workers tr[data-key="${worker}"][data-state="${state}"]`);
const event = (page: Page, text: string) => page.locator("#events li", { hasText: text }).first();

describe.skipIf(lack !== "")(`a run of three workers${lack}`, () => {
  let training: Training;
  let proxy: TcpProxy;
  const workers = new Map<string, Running>();
  beforeAll(async () => {
    const limits = ["--workers", "3", "--min-workers", "1", "--heartbeat-ms", "500"];
    training = await Training.start([...tiny, ...limits], join(dir, "team"));
    for (const name of ["a", "b", "c"]) workers.set(name, await training.worker(name));
    proxy = await TcpProxy.to(training.port);
  });
  afterAll(() => proxy.close());
  afterEach(() => closePages(training.port, Number(new URL(proxy.url).port)));
  const openControls = () => openPage(training.port, {}, `#control=${CONTROL}`);

  test("shows curves from the first step on, which grow", async () => {
    await training.advances(20);
    const page = await openPage(training.port);
    const before = await stepOfChart(page, "loss");
    expect(before).toBeGreaterThanOrEqual(20);
    await expect.poll(() => stepOfChart(page, "loss")).toBeGreaterThan(before);
    const drawn = `[...document.querySelectorAll(".chart canvas")].map((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, i) => i % 4 === 3 && value > 0).length;
    })`;
    for (const pixels of await page.evaluate<number[]>(drawn)) expect(pixels).toBeGreaterThan(1000);
    await page.locator("#loss .u-over").hover({ position: { x: 2, y: 50 } });
    expect(await stepOfChart(page, "loss")).toBeLessThan(0.05 * (await stepsOn(page)) + 2);
    expect(await page.locator("#speed .u-series").allTextContents()).toHaveLength(5); // the step, the total, three workers
    expect(await page.locator("#segments li").count()).toBe(3);
    expect(await page.locator("#bytes li").count()).toBe(3);
  });

  test("shows no controls without the control token, and refuses commands without it", async () => {
    const page = await openPage(training.port);
    await page.locator("#workers tr").first().waitFor();
    expect(await page.locator("#controls").isVisible()).toBe(false);
    expect(await page.locator("#workers button").first().isVisible()).toBe(false);
    const response = await page.request.post(`http://127.0.0.1:${training.port}/control`, { data: { do: "stop" } });
    expect(response.status()).toBe(401);
  });

  test("pauses after a confirmation, saves a checkpoint meanwhile, and resumes", async () => {
    const page = await openControls();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await training.advances(5);
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator("#yes").click();
    await stateIs(page, "paused");
    await page.locator("#phase", { hasText: /^paused since .*: requested from the dashboard$/ }).waitFor();
    await training.stalls(1000);
    const steps = training.steps;
    await page.getByRole("button", { name: "Checkpoint" }).click();
    await page.locator("#yes").click();
    await event(page, `checkpoint after ${steps} steps`).waitFor();
    expect(training.savedSteps).toBe(steps);
    expect(training.steps).toBe(steps);
    expect(await stepsOn(page)).toBe(steps);
    await page.getByRole("button", { name: "Resume" }).click();
    await page.locator("#yes").click();
    await stateIs(page, "running");
    await training.advances(5);
    for (const line of ["the run pauses", "saving a checkpoint after this step", "the run continues"]) {
      expect(training.coordinator.stdout()).toContain(`${line}: requested from the dashboard`);
    }
  });

  test("can be controlled by keyboard", async () => {
    const page = await openControls();
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.id")).toBe("pause");
    await page.keyboard.press("Enter");
    expect(await page.locator("#confirm").isVisible()).toBe(true);
    await page.keyboard.press("Escape");
    expect(await page.locator("#confirm").isVisible()).toBe(false);
    await training.advances(2);
  });

  test("receives what it missed after an interruption, and nothing twice", async () => {
    const page = await openPage(Number(new URL(proxy.url).port));
    const again = page.waitForRequest((request) => request.url().endsWith("/live"));
    proxy.cut();
    expect((await (await again).allHeaders())["last-event-id"]).toMatch(/^\w+-\d+$/);
    const before = await stepsOn(page);
    await expect.poll(() => stepsOn(page)).toBeGreaterThan(before);
    expect(await page.locator("html").getAttribute("data-connection")).toBe("live");
    const texts = await page.locator("#events li").allTextContents();
    expect(new Set(texts).size).toBe(texts.length);
    const ofTheBreak = problems.splice(0);
    expect(ofTheBreak.filter((text) => !text.includes("net::ERR_"))).toEqual([]);
  });

  test("shows a killed worker in red, with an event", async () => {
    const page = await openPage(training.port);
    await rowOf(page, "b", "in").waitFor();
    defined(workers.get("b")).child.kill("SIGKILL");
    await rowOf(page, "b", "lost").waitFor();
    const color = 'getComputedStyle(document.querySelector("#workers tr[data-key=b] th")).color';
    expect(await page.evaluate(color)).toBe("rgb(200, 85, 61)");
    await event(page, "b was lost").waitFor();
    await training.advances(5);
    expect(await rowOf(page, "a", "in").count()).toBe(1);
  });

  test("drops a worker on request", async () => {
    const page = await openControls();
    await page.getByRole("button", { name: "Drop c" }).click();
    await page.locator("#yes").click();
    await rowOf(page, "c", "lost").waitFor();
    expect((await defined(workers.get("c")).finished).status).toBe(1);
    await training.advances(5);
  });

  test.each(["light", "dark"] as const)("fits a phone and a wide screen, in %s colours", async (colorScheme) => {
    for (const width of [390, 1400]) {
      const page = await openPage(training.port, { viewport: { width, height: 800 }, colorScheme });
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
      const paper = await page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor");
      expect(Number(defined(/\d+/.exec(paper))[0]) < 128).toBe(colorScheme === "dark");
    }
  });

  test("stops on request after the current step, and can be resumed", async () => {
    const page = await openControls();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.locator("#yes").click();
    const { status, stdout } = await training.coordinator.finished;
    expect(status).toBe(130);
    expect(stdout).toContain("continue with: pnpm coordinator --resume");
    expect(training.savedSteps).toBe(training.steps);
    await page.getByText("The run has ended, and so has its server").waitFor();
    problems.length = 0; // requests fail after the end of the server
  });
});

describe.skipIf(lack !== "")(`a run of pnpm train${lack}`, () => {
  test("is shown during a step of any length", async () => {
    const out = join(dir, "stalling");
    const model = fileURLToPath(new URL("../fixtures/stalling-model.js", import.meta.url));
    const stalling = ["--model", model, ...data, "--batch-size", "60", "--slice-rows", "60", "--no-test", "--out", out];
    const training = start(["train", ...stalling, "--port", "0"], { LOCKSTEP_TEST_STALL: "40 Infinity" });
    await training.prints("stalls in slice 40\n"); // forever: responses from now on come during the step
    const ask = (path: string) => fetch(`http://127.0.0.1:${portOf(training)}/${path}`);
    expect(await (await ask("page.css")).text()).toContain(".chart");
    const done = stepsOf(out).length;
    expect(done).toBeGreaterThan(0);
    await expect.poll(async () => (await ask("api/run")).json()).toMatchObject({ step: done, phase: "stepping" });
    expect(training.child.exitCode).toBeNull();
    training.child.kill("SIGKILL");
  });

  test("is shown on its own port, obeys commands, and is shown again after its end, compared with others", async () => {
    const [first, second] = [join(dir, "first"), join(dir, "second")];
    const training = start(["train", ...tiny, "--port", "0", "--out", first]);
    await training.prints("dashboard: ");
    const port = portOf(training);
    const page = await openPage(port, {}, `#control=${CONTROL}`);
    await expect.poll(() => stepsOn(page)).toBeGreaterThan(10);
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator("#yes").click();
    await stateIs(page, "paused");
    const phase = { phase: "paused", phaseReason: "requested from the dashboard" };
    await expect.poll(async () => (await fetch(`http://127.0.0.1:${port}/api/run`)).json()).toMatchObject(phase);
    await page.getByRole("button", { name: "Stop" }).click();
    await page.locator("#yes").click();
    const { status, stdout } = await training.finished;
    expect(status).toBe(130);
    expect(stdout).toContain("the run pauses: requested from the dashboard");
    expect(stdout).toContain("stopping after this step: requested from the dashboard");
    problems.length = 0; // requests fail after the end of the server
    await closePages(port);

    expect((await run(["train", ...tiny, "--max-steps", "30", "--no-dashboard", "--out", second])).status).toBe(0);
    const dashboard = start(["dashboard", "--run", second, first, "--port", "0"]);
    await dashboard.prints("Ctrl-C");
    const shown = await openPage(portOf(dashboard));
    await stateIs(shown, "finished");
    expect(await shown.locator("#phase").isVisible()).toBe(false); // the state says it
    expect(await stepsOn(shown)).toBe(30);
    expect(await shown.locator("#loss .u-label").allTextContents()).toContain("first");
    await event(shown, "checkpoint after 30 steps").waitFor();
    expect(await shown.locator("#confusion tbody tr").count()).toBe(10);
    await assertOverflowHint(shown);
    await shown.locator("#images figure").nth(47).waitFor();
    const kinds = await shown.evaluate<string[]>(
      '[...document.querySelectorAll("#images figure")].map((one) => one.className)',
    );
    expect(kinds).toHaveLength(48);
    expect(kinds[0]).toBe("wrong"); // after 30 steps many predictions are wrong
    expect([...kinds].sort().reverse()).toEqual(kinds);
    await closePages(portOf(dashboard));
    dashboard.child.kill("SIGINT");
    expect((await dashboard.finished).status).toBe(0);
  });
});

/** Checks that the confusion matrix has a scroll hint on a narrow screen, and scrolls by keyboard. */
async function assertOverflowHint(page: Page): Promise<void> {
  const hint = page.getByText("Some columns are hidden");
  const shade = page.locator(".frame.more");
  const table = page.getByRole("group", { name: "Test: confusion matrix" });
  expect(await hint.isVisible()).toBe(false);
  await page.setViewportSize({ width: 360, height: 800 });
  await hint.waitFor();
  expect(await shade.count()).toBe(1);
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
  await table.focus();
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => table.evaluate((region) => region.scrollLeft)).toBeGreaterThan(0);
  await table.evaluate((region) => region.scrollTo(region.scrollWidth, 0));
  await expect.poll(() => shade.count()).toBe(0);
  await page.setViewportSize({ width: 1280, height: 800 });
  await hint.waitFor({ state: "hidden" });
}
