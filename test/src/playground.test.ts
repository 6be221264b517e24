/** Tests `pnpm playground` in a real browser: its predictions are those of `pnpm predict`. */

import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeImage, MAX_IMAGE_BYTES, openShapes } from "@lockstep/dataset";
import { defined } from "@lockstep/testing";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Running, run, start, tinyModel } from "./testing/program.ts";

const executablePath = process.env["LOCKSTEP_TEST_CHROMIUM"] ?? "/usr/bin/chromium";
const lack = existsSync(executablePath) ? "" : ` (needs LOCKSTEP_TEST_CHROMIUM, or Chromium at ${executablePath})`;

let dir: string;
let trained: string;
let playground: Running;
let port: number;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-playground-"));
  trained = join(dir, "run");
  const data = ["--dataset", "shapes", "--batch-size", "64", "--train-fraction", "1", "--no-test"];
  const training = ["--model", tinyModel, ...data, "--lr", "0.05", "--max-steps", "80", "--out", trained];
  expect((await run(["train", ...training])).status).toBe(0);
  playground = start(["playground", "--run", trained, "--port", "0"]);
  await playground.prints("Ctrl-C");
  port = Number(defined(/http:\/\/127\.0\.0\.1:(\d+)/.exec(playground.stdout()))[1]);
});
afterAll(() => {
  playground.child.kill("SIGKILL");
  rmSync(dir, { recursive: true });
});

describe.skipIf(lack !== "")(`the page${lack}`, () => {
  let browser: Browser;
  const problems: string[] = [];
  const hosts = new Set<string>();
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    expect(problems.splice(0)).toEqual([]);
    expect([...hosts]).toEqual([`127.0.0.1:${port}`]);
  });

  async function openPage(options: BrowserContextOptions = {}): Promise<Page> {
    const page = await (await browser.newContext(options)).newPage();
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("request", (request) => hosts.add(new URL(request.url()).host));
    await page.goto(`http://127.0.0.1:${port}`);
    await settled(page);
    await page.evaluate("new Promise(requestAnimationFrame)"); // Chromium ignores keys until a page is painted
    return page;
  }

  /** Waits until the page has no status: the model is loaded, or the prediction is shown. */
  const settled = (page: Page) => page.waitForSelector("#status:empty", { state: "attached" });

  /** Returns the most likely class and its probability in percent. */
  async function predictionOn(page: Page): Promise<{ name: string; percent: number }> {
    await settled(page);
    expect(await page.locator("#ranking li").count()).toBe(3);
    const [name, percent] = await page.locator("#ranking li").first().locator("span").allTextContents();
    return { name: defined(name), percent: Number.parseFloat(defined(percent)) };
  }

  /** Returns the [32, 32, 3] bytes that the page shows: the input of the model. */
  async function shownBytes(page: Page): Promise<number[]> {
    const rgba = await page.evaluate<number[]>(
      'Array.from(document.querySelector("canvas").getContext("2d").getImageData(0, 0, 32, 32).data)',
    );
    return rgba.filter((_, i) => i % 4 !== 3);
  }

  test("classifies 20 pictures of many sizes as pnpm predict does, from equal inputs", async () => {
    const pictures = await Promise.all(Array.from({ length: 20 }, (_, index) => shape(index)));
    const { stdout } = await run(["predict", "--run", trained, ...pictures]);
    const predicted = stdout
      .trim()
      .split("\n")
      .map((line) => defined(/: ([a-z ]+) (\d+\.\d)%/.exec(line)));
    expect(new Set(predicted.map(([, name]) => name)).size).toBeGreaterThan(4);
    const page = await openPage();
    for (const [index, [, name, percent]] of predicted.entries()) {
      await page.setInputFiles("#file", defined(pictures[index]));
      const prediction = await predictionOn(page);
      expect(prediction.name).toBe(name);
      expect(Math.abs(prediction.percent - Number(percent))).toBeLessThan(0.15); // one unit in the last digit
      const due = await decodeImage(defined(pictures[index]), { height: 32, width: 32 });
      expect(await shownBytes(page)).toEqual([...due]);
    }
  });

  test("decodes a PNG with gamma, CMYK, a rotated photo, transparency and 16 bits exactly as pnpm predict does", async () => {
    const page = await openPage();
    for (const path of [await gammaPng(), await inks(), await turnedPhoto(), await glass(), await deepPng()]) {
      await page.setInputFiles("#file", path);
      await settled(page);
      const due = await decodeImage(path, { height: 32, width: 32 });
      expect(await shownBytes(page), path).toEqual([...due]);
    }
  });

  test("refuses what pnpm predict refuses, with the same message", async () => {
    const page = await openPage();
    for (const format of ["webp", "avif", "gif", "tiff"] as const) {
      const path = join(dir, `shape.${format}`);
      await sharp(await shape(1))
        .toFormat(format)
        .toFile(path);
      const refusal = await decodeImage(path, { height: 32, width: 32 }).catch((error: Error) => error.message);
      await page.setInputFiles("#file", path);
      await page.getByText((refusal as string).replace(path, `shape.${format}`)).waitFor();
    }
    expect(problems.splice(0).every((problem) => problem.includes("422"))).toBe(true); // the browser logs each of them
  });

  test("accepts a picture that is dropped anywhere", async () => {
    const page = await openPage();
    const session = await page.context().newCDPSession(page);
    const data = { items: [], files: [await shape(1)], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"] as const) {
      await session.send("Input.dispatchDragEvent", { type, x: 5, y: 5, data });
    }
    await page.waitForSelector("#ranking li");
    expect((await predictionOn(page)).name).toBe("ring");
  });

  test("accepts a picture from the clipboard, and reports if it has none", async () => {
    const page = await openPage({ permissions: ["clipboard-read", "clipboard-write"] });
    const base64 = readFileSync(await shape(1)).toString("base64");
    await page.evaluate(`navigator.clipboard.write([new ClipboardItem({
      "image/png": new Blob([Uint8Array.from(atob("${base64}"), (c) => c.charCodeAt(0))], { type: "image/png" }),
    })])`);
    await page.keyboard.press("Control+V");
    await page.waitForSelector("#ranking li");
    expect((await predictionOn(page)).name).toBe("ring");
    await page.evaluate('navigator.clipboard.writeText("a ring")');
    await page.keyboard.press("Control+V");
    await page.getByText("Expected a picture, got something else").waitFor();
  });

  test("can be used by keyboard", async () => {
    const page = await openPage();
    const chosen = page.waitForEvent("filechooser"); // Playwright intercepts the dialog from now on
    await page.keyboard.press("Tab");
    await page.waitForSelector("#file:focus");
    await page.keyboard.press("Enter");
    await (await chosen).setFiles(await shape(1));
    expect((await predictionOn(page)).name).toBe("ring");
  });

  test("reports a file that is not a picture, and accepts the next", async () => {
    const page = await openPage();
    const notes = join(dir, "notes.png");
    writeFileSync(notes, "not a picture");
    await page.setInputFiles("#file", notes);
    await page.getByText("Expected a PNG or JPEG image at notes.png, got: an unsupported format").waitFor();
    expect(problems.splice(0)).toEqual([expect.stringContaining("422")]); // the browser logs it
    await page.setInputFiles("#file", await shape(1));
    expect((await predictionOn(page)).name).toBe("ring");
  });

  test.each(["light", "dark"] as const)("fits a phone and a wide screen, in %s colours", async (colorScheme) => {
    for (const width of [390, 1400]) {
      const page = await openPage({ viewport: { width, height: 800 }, colorScheme });
      await page.setInputFiles("#file", await shape(1));
      await predictionOn(page);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
      const [red] = await page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor").then(rgb);
      expect(defined(red) < 128).toBe(colorScheme === "dark");
    }
  });
});

const rgb = (color: string) => defined(color.match(/\d+/g)).map(Number);

/** Writes an image of the test set in another size, as PNG. Number 1 is a ring. */
async function shape(index: number): Promise<string> {
  const [height, width] = defined(
    (
      [
        [32, 32],
        [150, 150],
        [90, 160],
        [200, 120],
        [20, 24],
      ] as const
    )[index % 5],
  );
  const bytes = new Uint8Array(height * width * 3);
  openShapes("test", height, width).read(index, bytes);
  const path = join(dir, `shape-${index}.png`);
  await sharp(bytes, { raw: { height, width, channels: 3 } })
    .png()
    .toFile(path);
  return path;
}

/** Writes a photo with a different colour in each corner, rotated by its EXIF orientation. */
async function turnedPhoto(): Promise<string> {
  const path = join(dir, "photo.jpg");
  const corners = Uint8Array.of(200, 40, 60, 40, 180, 60, 60, 60, 190, 220, 210, 80);
  const image = sharp(corners, { raw: { width: 2, height: 2, channels: 3 } }).resize(640, 480, { fit: "fill" });
  await image.withMetadata({ orientation: 6 }).jpeg().toFile(path);
  return path;
}

/** Writes a PNG with a gAMA of 1.0, which browsers apply: they make it lighter. */
async function gammaPng(): Promise<string> {
  const path = join(dir, "gamma.png");
  const plain = readFileSync(await shape(2));
  const gamma = Buffer.from("00000004" + "67414d41" + "000186a0" + "31e8965f", "hex");
  writeFileSync(path, Buffer.concat([plain.subarray(0, 33), gamma, plain.subarray(33)])); // after IHDR
  return path;
}

/** Writes a JPEG in CMYK. */
async function inks(): Promise<string> {
  const path = join(dir, "inks.jpg");
  await sharp(await shape(3))
    .toColourspace("cmyk")
    .jpeg()
    .toFile(path);
  return path;
}

/** Writes a PNG with 16 bits per channel. */
async function deepPng(): Promise<string> {
  const path = join(dir, "deep.png");
  await sharp(await shape(4))
    .linear(0.7, 3)
    .toColourspace("rgb16")
    .png()
    .toFile(path);
  return path;
}

/** Writes a half transparent PNG. */
async function glass(): Promise<string> {
  const path = join(dir, "glass.png");
  const background = { r: 10, g: 120, b: 230, alpha: 0.5 };
  await sharp({ create: { width: 60, height: 40, channels: 4, background } })
    .png()
    .toFile(path);
  return path;
}

describe("the server", () => {
  async function ask(
    headers: Record<string, string>,
    path = "/",
    { method = "GET", body = "" as string | Uint8Array } = {},
  ): Promise<IncomingMessage> {
    const [response] = await once(
      httpRequest({ host: "127.0.0.1", port, path, headers, method }).end(body),
      "response",
    );
    return response.resume();
  }

  test("decodes pictures for its own page only", async () => {
    const body = readFileSync(await shape(1));
    const post = (headers: Record<string, string>) => ask(headers, "/pixels?name=ring.png", { method: "POST", body });
    const sameOrigin = await post({ origin: `http://127.0.0.1:${port}` });
    expect([sameOrigin.statusCode, sameOrigin.headers["content-length"]]).toEqual([200, String(32 * 32 * 3)]);
    expect(sameOrigin.headers["content-security-policy"]).toContain("default-src 'none'");
    expect((await post({ origin: "http://pictures.example" })).statusCode).toBe(403);
    expect((await post({ host: `pictures.example:${port}` })).statusCode).toBe(403);
    expect((await ask({}, "/pixels")).statusCode).toBe(405);
  });

  test("refuses a picture that is too large, and accepts the next", async () => {
    const png = readFileSync(await shape(1));
    const large = Buffer.concat([png, Buffer.alloc(MAX_IMAGE_BYTES)]);
    const post = (body: Uint8Array) => ask({}, "/pixels", { method: "POST", body });
    expect((await post(large)).statusCode).toBe(422);
    expect((await post(png)).statusCode).toBe(200);
  });

  test("refuses a foreign Host header, and WebSockets", async () => {
    expect((await ask({ host: `localhost:${port}` })).statusCode).toBe(200);
    expect((await ask({ host: `pictures.example:${port}` })).statusCode).toBe(403);
    const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
    expect((await ask({ ...upgrade, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" })).statusCode).toBe(503);
  });

  test("serves the page and the model, and no other file of the run", async () => {
    for (const path of ["/page.js", "/tfjs/model.json", "/tfjs/weights.bin"]) {
      expect((await ask({}, path)).statusCode, path).toBe(200);
    }
    for (const path of ["/config.json", "/tfjs/../config.json"])
      expect((await ask({}, path)).statusCode, path).toBe(404);
  });

  test("ends on Ctrl-C", async () => {
    const other = start(["playground", "--run", trained, "--port", "0"]);
    await other.prints("Ctrl-C");
    other.child.kill("SIGINT");
    expect((await other.finished).status).toBe(0);
  });
});

describe("failures", () => {
  test("a run without a tfjs model is refused with the commands that make one", async () => {
    const stopped = join(dir, "stopped");
    mkdirSync(stopped);
    copyFileSync(join(trained, "config.json"), join(stopped, "config.json"));
    const { status, stderr } = await run(["playground", "--run", stopped]);
    expect(stderr).toContain(`ERR_NO_TFJS: Expected a model in ${join(stopped, "tfjs")}`);
    expect(stderr).toContain(`pnpm train --resume ${stopped}`);
    expect(status).toBe(1);
  });

  test("a folder that is not a run is named", async () => {
    const { status, stderr } = await run(["playground", "--run", join(dir, "nothing")]);
    expect(stderr).toContain(`ERR_NO_RUN: Expected the folder of a run at ${join(dir, "nothing")}`);
    expect(status).toBe(1);
  });

  test("a port in use is named", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const usedPort = (server.address() as AddressInfo).port;
    const { status, stderr } = await run(["playground", "--run", trained, "--port", String(usedPort)]);
    server.close();
    expect(stderr).toContain(`ERR_LISTEN: Cannot listen on 127.0.0.1:${usedPort}`);
    expect(status).toBe(1);
  });
});
