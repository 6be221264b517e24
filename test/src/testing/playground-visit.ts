/** A test's visit to the page of `pnpm playground`, in a browser. */
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { expect } from "vitest";

/** Waits until the page has no status: the model is loaded, or the prediction is shown. */
export const settled = (page: Page) => page.waitForSelector("#status:empty", { state: "attached" });

/** Opens the pages of a test, and records their errors and the hosts that they ask. */
export class Visit {
  readonly #browser: Browser;
  readonly #port: number;
  readonly #hosts = new Set<string>();
  #problems: string[] = [];

  /** @param port that the playground listens on */
  constructor(browser: Browser, port: number) {
    this.#browser = browser;
    this.#port = port;
  }

  /** Opens the page, and waits until its model is loaded. */
  async open(options: BrowserContextOptions = {}): Promise<Page> {
    const page = await (await this.#browser.newContext(options)).newPage();
    page.on("console", (message) => message.type() === "error" && this.#problems.push(message.text()));
    page.on("pageerror", (error) => this.#problems.push(error.message));
    page.on("request", (request) => this.#hosts.add(new URL(request.url()).host));
    await page.goto(`http://127.0.0.1:${this.#port}`);
    await settled(page);
    await page.evaluate("new Promise(requestAnimationFrame)"); // Chromium ignores keys until a page is painted
    return page;
  }

  /** Returns the errors so far, and forgets them. */
  expectedProblems(): string[] {
    const problems = this.#problems;
    this.#problems = [];
    return problems;
  }

  /** Closes the pages, and asserts that none had an error or asked another server. */
  async end(): Promise<void> {
    await Promise.all(this.#browser.contexts().map((context) => context.close()));
    expect(this.#problems).toEqual([]);
    expect([...this.#hosts]).toEqual([`127.0.0.1:${this.#port}`]);
  }
}
