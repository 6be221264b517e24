/** Starts the browser of tests and screenshots. */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const executablePath = process.env["LOCKSTEP_TEST_CHROMIUM"] ?? "/usr/bin/chromium";

/** What a machine without a browser lacks; undefined if there is one. */
export const missingBrowser = existsSync(executablePath)
  ? undefined
  : `needs LOCKSTEP_TEST_CHROMIUM, or Chromium at ${executablePath}`;

/** Starts the browser. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath, args: ["--no-sandbox"] });
}
