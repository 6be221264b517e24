/**
 * `pnpm screenshots`: takes the pictures of the dashboard in the docs, of a real run of three workers on this machine,
 * one of which is killed. Needs Chromium at /usr/bin/chromium or LOCKSTEP_TEST_CHROMIUM.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defined } from "@lockstep/testing";
import sharp from "sharp";
import { start, tinyModel } from "../program.ts";
import { Training } from "../training.ts";
import { launchBrowser } from "./launch-browser.ts";

const images = fileURLToPath(new URL("../../../../docs/images/", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "lockstep-screenshots-"));
const browser = await launchBrowser();
try {
  const out = join(dir, "tiny-shapes");
  const data = ["--dataset", "shapes", "--train-fraction", "0.9", "--batch-size", "64", "--lr", "0.005"];
  const training = await Training.start(["--workers", "3", "--model", tinyModel, ...data, "--num-epochs", "4"], out);
  const workers = await Promise.all(["worker-0", "worker-1", "worker-2"].map((name) => training.worker(name)));
  await training.advances(300);
  defined(workers[2]).child.kill("SIGKILL");
  await training.advances(100);
  await shoot(`http://127.0.0.1:${training.port}`, { name: "dashboard", height: 1230 });
  await training.coordinator.finished;
  const dashboard = start(["dashboard", "--run", out, "--port", "0"]);
  await dashboard.prints("Ctrl-C");
  const [, url] = defined(/dashboard: (\S+)\//.exec(dashboard.stdout()));
  await shoot(defined(url), { name: "dashboard-test", height: 640, selector: "#images-section" });
  dashboard.child.kill("SIGINT");
  await dashboard.finished;
} finally {
  await browser.close();
  rmSync(dir, { recursive: true });
}

/** Takes a screenshot of a page. @param selector element to scroll to */
async function shoot(
  url: string,
  { name, height, selector = "body" }: { name: string; height: number; selector?: string },
) {
  const page = await browser.newPage({ viewport: { width: 1280, height }, colorScheme: "light" });
  await page.goto(url);
  await page.locator("#tile-loss", { hasText: /\d/ }).waitFor();
  await page.locator(selector).waitFor();
  await page.evaluate(`document.querySelector("${selector}").scrollIntoView()`);
  const { size } = await sharp(await page.screenshot())
    .png({ palette: true, effort: 10 })
    .toFile(join(images, `${name}.png`));
  console.log(`docs/images/${name}.png: ${Math.round(size / 1000)} kB`);
  await page.close();
}
