/** Tests the dashboards of `pnpm train`, and of `pnpm dashboard` for runs that are over, in a real browser. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defined } from "@lockstep/testing";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { confirm, stateIs, stepsOn, test } from "./testing/dashboard/browser.ts";
import { type Running, run, start, tinyModel } from "./testing/program.ts";
import { stepsOf } from "./testing/undisturbed.ts";

const CONTROL = "a-token-for-controls";
const data = ["--dataset", "shapes", "--train-fraction", "0.9", "--lr", "0.02", "--batch-size", "60"];
const tiny = ["--model", tinyModel, ...data];

const portOf = ({ stdout }: Running) => Number(defined(/dashboard: http:\/\/127\.0\.0\.1:(\d+)/.exec(stdout()))[1]);

test("a run on one machine is shown during a step of any length", async ({ folder }) => {
  const model = fileURLToPath(new URL("../fixtures/stalling-model.js", import.meta.url));
  const options = ["--model", model, ...data, "--slice-rows", "60", "--no-test", "--port", "0", "--out", folder];
  const training = start(["train", ...options], { LOCKSTEP_TEST_STALL: "40 Infinity" });
  await training.prints("stalls in slice 40\n"); // forever: responses from now on come during the step
  const ask = (path: string) => fetch(`http://127.0.0.1:${portOf(training)}/${path}`);
  expect(await (await ask("page.css")).text()).toContain(".chart");
  const step = stepsOf(folder).length;
  expect(step).toBeGreaterThan(0);
  await expect.poll(async () => (await ask("api/run")).json()).toMatchObject({ step, phase: "stepping" });
  expect(training.child.exitCode).toBeNull();
});

test("a run on one machine obeys the commands of its page", async ({ pages, folder }) => {
  const options = [...tiny, "--num-epochs", "1000", "--port", "0", "--out", folder];
  const training = start(["train", ...options], { LOCKSTEP_CONTROL_TOKEN: CONTROL });
  await training.prints("dashboard: ");
  const port = portOf(training);
  const page = await pages.open(port, { fragment: `#control=${CONTROL}` });
  await expect.poll(() => stepsOn(page)).toBeGreaterThan(10);
  await confirm(page, "Pause");
  await stateIs(page, "paused");
  const phase = { phase: "paused", phaseReason: "requested from the dashboard" };
  await expect.poll(async () => (await fetch(`http://127.0.0.1:${port}/api/run`)).json()).toMatchObject(phase);
  await confirm(page, "Stop");
  const { status, stdout } = await training.finished;
  expect(status).toBe(130);
  expect(stdout).toContain("the run pauses: requested from the dashboard");
  expect(stdout).toContain("stopping after this step: requested from the dashboard");
  pages.assertOnlyDisconnected();
});

test("a run that is over is shown with its test, and compared with others", async ({ pages, folder }) => {
  const [other, finished] = [join(folder, "other"), join(folder, "finished")];
  const training = await run(["train", ...tiny, "--max-steps", "6", "--no-dashboard", "--out", finished]);
  expect(training.status).toBe(0);
  cpSync(finished, other, { recursive: true });
  const dashboard = start(["dashboard", "--run", finished, other, "--port", "0"]);
  await dashboard.prints("Ctrl-C");
  const page = await pages.open(portOf(dashboard));
  await stateIs(page, "finished");
  expect(await page.locator("#phase").isVisible()).toBe(false); // the state shows how the run ended
  expect(await stepsOn(page)).toBe(6);
  expect(await page.locator("#loss .u-label").allTextContents()).toContain("other");
  await page.locator("#events li", { hasText: "checkpoint after 6 steps" }).first().waitFor();
  expect(await page.locator("#confusion tbody tr").count()).toBe(10);
  await assertOverflowHint(page);
  await assertWrongImagesFirst(page);
  await pages.close();
  dashboard.child.kill("SIGINT");
  expect((await dashboard.finished).status).toBe(0);
});

/** Asserts that the confusion matrix has a scroll hint on a narrow screen, and scrolls by keyboard. */
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

/** Asserts that 48 test images are shown, the misclassified ones first. After few steps many predictions are wrong. */
async function assertWrongImagesFirst(page: Page): Promise<void> {
  await page.locator("#images figure").nth(47).waitFor();
  const kinds = await page.evaluate<string[]>(
    '[...document.querySelectorAll("#images figure")].map((figure) => figure.className)',
  );
  expect(kinds).toHaveLength(48);
  expect(kinds[0]).toBe("wrong");
  expect([...kinds].sort().reverse()).toEqual(kinds);
}
