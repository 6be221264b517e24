/**
 * `pnpm screenshots`: the README's pictures of the dashboard, of a real run of three workers on this machine, one of
 * which is killed. Needs Chromium at /usr/bin/chromium, or LOCKSTEP_TEST_CHROMIUM.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import sharp from "sharp";
import { start, tinyModel } from "./program.ts";
import { Training } from "./training.ts";

const executablePath = process.env["LOCKSTEP_TEST_CHROMIUM"] ?? "/usr/bin/chromium";
const images = fileURLToPath(new URL("../../docs/images/", import.meta.url));
const SHOTS = [
  { name: "dashboard", width: 1280, height: 1230, colorScheme: "light" },
  { name: "dashboard-dark", width: 1280, height: 1230, colorScheme: "dark" },
  { name: "dashboard-phone", width: 390, height: 844, colorScheme: "light" },
] as const;

const dir = mkdtempSync(join(tmpdir(), "lockstep-screenshots-"));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const out = join(dir, "tiny-shapes");
  const data = ["--dataset", "shapes", "--train-fraction", "0.9", "--batch-size", "64", "--lr", "0.005"];
  const training = await Training.begin(["--workers", "3", "--model", tinyModel, ...data, "--num-epochs", "4"], out);
  const workers = await Promise.all(["worker-0", "worker-1", "worker-2"].map((name) => training.worker(name)));
  await training.goesOn(300);
  workers[2]!.child.kill("SIGKILL");
  await training.goesOn(100);
  await shoot(`http://127.0.0.1:${training.port}`, SHOTS);
  await training.coordinator.finished;
  const dashboard = start(["dashboard", "--run", out, "--port", "0"]);
  await dashboard.prints("Ctrl-C");
  const [, url] = /dashboard: (\S+)\//.exec(dashboard.stdout())!;
  await shoot(url!, [{ name: "dashboard-test", width: 1280, height: 640, colorScheme: "light" }], "#images-section");
  dashboard.child.kill("SIGINT");
  await dashboard.finished;
} finally {
  await browser.close();
  rmSync(dir, { recursive: true });
}

type Shot = { name: string; width: number; height: number; colorScheme: "light" | "dark" };

/** @param part of the page, to scroll to */
async function shoot(url: string, shots: readonly Shot[], part = "body"): Promise<void> {
  for (const { name, width, height, colorScheme } of shots) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    await page.goto(url);
    await page.locator("#tile-loss", { hasText: /\d/ }).waitFor();
    await page.locator(part).waitFor();
    await page.evaluate(`document.querySelector("${part}").scrollIntoView()`);
    const png = await page.screenshot();
    const { size } = await sharp(png)
      .png({ palette: true, effort: 10 })
      .toFile(join(images, `${name}.png`));
    console.log(`docs/images/${name}.png: ${Math.round(size / 1000)} kB`);
    await page.close();
  }
}
