/** Tests the dashboard of a real run of three workers in a real browser. The tests are one story, in their order. */
import { defined, temporaryFolder } from "@lockstep/testing";
import type { Page } from "playwright-core";
import { expect, vi } from "vitest";
import { test as base, confirm, stateIs, stepsOn } from "./testing/dashboard/browser.ts";
import { TcpProxy } from "./testing/network/tcp-proxy.ts";
import { tinyModel } from "./testing/program.ts";
import { Training } from "./testing/training.ts";

const CONTROL = "a-token-for-controls";
const data = ["--dataset", "shapes", "--train-fraction", "0.9", "--lr", "0.02", "--num-epochs", "1000"];
const limits = ["--workers", "3", "--min-workers", "1", "--heartbeat-ms", "500"];
const options = ["--model", tinyModel, ...data, "--batch-size", "60", ...limits];
const out = temporaryFolder();

/** Tests with the file's `team`: a coordinator and three workers. */
const test = base
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads a fixture's needs from this pattern
  .extend("team", { scope: "file" }, async ({}, { onCleanup }) => {
    vi.stubEnv("LOCKSTEP_CONTROL_TOKEN", CONTROL);
    const training = await Training.start(options, out, "file");
    const proxy = await TcpProxy.to(training.port);
    onCleanup(() => {
      proxy.close();
      vi.unstubAllEnvs();
    });
    proxy.upSpeed.bytesPerSecond = 2_000_000; // slow steps leave the processor to the browser
    const workers = ["a", "b", "c"].map((name) => training.worker(name, { url: proxy.url }));
    const [, b, c] = await Promise.all(workers);
    return { training, b: defined(b), c: defined(c) };
  })
  .extend("controls", ({ pages, team }) => pages.open(team.training.port, { fragment: `#control=${CONTROL}` }));

const rowOf = (page: Page, worker: string, state: string) =>
  page.locator(`#workers tr[data-key="${worker}"][data-state="${state}"]`);
const event = (page: Page, text: string) => page.locator("#events li", { hasText: text }).first();

/** Returns the step in a chart's legend: the one under the pointer, or the last. */
async function stepOfChart(page: Page, chart: string): Promise<number> {
  return Number(defined(await page.locator(`#${chart} .u-value`).first().textContent()).replaceAll(",", ""));
}

/** Returns the number of pixels that are drawn in each chart. */
const drawnPixels = (page: Page) =>
  page.evaluate<number[]>(`[...document.querySelectorAll(".chart canvas")].map((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, i) => i % 4 === 3 && value > 0).length;
  })`);

test("the page shows the curves of all steps and workers, and they grow", async ({ pages, team }) => {
  await team.training.advances(20);
  const page = await pages.open(team.training.port);
  const before = await stepOfChart(page, "loss");
  expect(before).toBeGreaterThanOrEqual(20);
  await expect.poll(() => stepOfChart(page, "loss")).toBeGreaterThan(before);
  for (const pixels of await drawnPixels(page)) expect(pixels).toBeGreaterThan(1000);
  await page.locator("#loss .u-over").hover({ position: { x: 2, y: 50 } });
  expect(await stepOfChart(page, "loss")).toBeLessThan(0.05 * (await stepsOn(page)) + 2);
  expect(await page.locator("#speed .u-series").allTextContents()).toHaveLength(5); // step, total, three workers
  expect(await page.locator("#segments li").count()).toBe(3);
  expect(await page.locator("#bytes li").count()).toBe(3);
});

test("a run is paused after a confirmation, saves a checkpoint meanwhile, and is resumed", async ({
  controls: page,
  team: { training },
}) => {
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await training.advances(5);
  await confirm(page, "Pause");
  await stateIs(page, "paused");
  await page.locator("#phase", { hasText: /^paused since .*: requested from the dashboard$/ }).waitFor();
  await training.stalls(1000);
  const { steps } = training;
  await confirm(page, "Checkpoint");
  await event(page, `checkpoint after ${steps} steps`).waitFor();
  expect({ saved: training.savedSteps, trained: training.steps, shown: await stepsOn(page) }).toEqual({
    saved: steps,
    trained: steps,
    shown: steps,
  });
  await confirm(page, "Resume");
  await stateIs(page, "running");
  await training.advances(5);
  for (const line of ["the run pauses", "saving a checkpoint after this step", "the run continues"]) {
    expect(training.coordinator.stdout()).toContain(`${line}: requested from the dashboard`);
  }
});

test("a killed worker is shown in red, with an event", async ({ pages, team: { training, b } }) => {
  const page = await pages.open(training.port);
  await rowOf(page, "b", "in").waitFor();
  b.child.kill("SIGKILL");
  await rowOf(page, "b", "lost").waitFor();
  const color = 'getComputedStyle(document.querySelector("#workers tr[data-key=b] th")).color';
  expect(await page.evaluate(color)).toBe("rgb(200, 85, 61)");
  await event(page, "b was lost").waitFor();
  await training.advances(5);
  expect(await rowOf(page, "a", "in").count()).toBe(1);
});

test("a worker is dropped on request", async ({ controls: page, team: { training, c } }) => {
  await confirm(page, "Drop c");
  await rowOf(page, "c", "lost").waitFor();
  expect((await c.finished).status).toBe(1);
  await training.advances(5);
});

test("a run is stopped after its current step on request, and can be resumed", async ({
  controls: page,
  pages,
  team: { training },
}) => {
  await confirm(page, "Stop");
  const { status, stdout } = await training.coordinator.finished;
  expect(status).toBe(130);
  expect(stdout).toContain("continue with: pnpm coordinator --resume");
  expect(training.savedSteps).toBe(training.steps);
  await page.getByText("The run has ended, and so has its server").waitFor();
  pages.assertOnlyDisconnected();
});
