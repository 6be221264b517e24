/** The dashboard's page in a real browser, for tests: `test` has a browser for the file, and pages for each test. */
import { test as base, defined } from "@lockstep/testing";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { expect } from "vitest";
import { launchBrowser, missingBrowser } from "./launch-browser.ts";

/** The pages of a test. They may have no errors, and may send requests to their own servers only. */
class Pages {
  readonly #browser: Browser;
  readonly #problems: string[] = [];
  readonly #servers = new Set<string>();
  readonly #requested = new Set<string>();

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  /**
   * Opens the page of a dashboard. Resolves when it shows a run.
   *
   * @param fragment with the page's secrets, from the #
   */
  async open(port: number, { fragment = "", ...options }: BrowserContextOptions & { fragment?: string } = {}) {
    const server = `127.0.0.1:${port}`;
    this.#servers.add(server);
    const page = await (await this.#browser.newContext(options)).newPage();
    page.on("console", (message) => message.type() === "error" && this.#problems.push(message.text()));
    page.on("pageerror", (error) => this.#problems.push(error.message));
    page.on("request", (request) => this.#requested.add(new URL(request.url()).host));
    await page.goto(`http://${server}/${fragment}`);
    await page.locator("#progress-text", { hasText: "step" }).waitFor();
    await page.evaluate("new Promise(requestAnimationFrame)"); // Chromium ignores keys until a page is painted
    return page;
  }

  /** Asserts that connections that failed are the pages' only errors so far, and forgets them. */
  assertOnlyDisconnected(): void {
    expect(this.#problems.splice(0).filter((text) => !text.includes("net::ERR_"))).toEqual([]);
  }

  /** Closes the pages, and asserts what they may do. */
  async close(): Promise<void> {
    await Promise.all(this.#browser.contexts().map((context) => context.close()));
    expect(this.#problems).toEqual([]);
    expect([...this.#servers]).toEqual(expect.arrayContaining([...this.#requested]));
  }
}

/**
 * The shared `test` with the fixture `pages`, whose browser serves all tests of the file.
 * Without one, they are skipped.
 */
export const test = base
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads a fixture's needs from this pattern
  .extend("browser", { scope: "file" }, async ({}, { onCleanup }) => {
    const browser = missingBrowser === undefined ? await launchBrowser() : undefined;
    onCleanup(() => browser?.close());
    return browser;
  })
  .extend("pages", ({ browser, skip }, { onCleanup }) => {
    const pages = new Pages(browser ?? skip(missingBrowser));
    onCleanup(() => pages.close());
    return pages;
  });

/** Returns the number of completed steps that a page shows. */
export async function stepsOn(page: Page): Promise<number> {
  const text = await page.locator("#progress-text").textContent();
  return Number(defined(defined(/step ([\d,]+)/.exec(defined(text)))[1]).replaceAll(",", ""));
}

/** Resolves when a page shows this state of the run. */
export const stateIs = (page: Page, state: string) => page.locator(`#state[data-state="${state}"]`).waitFor();

/** Clicks a button of the page, and confirms it. */
export async function confirm(page: Page, button: string): Promise<void> {
  await page.getByRole("button", { name: button }).click();
  await page.locator("#yes").click();
}
