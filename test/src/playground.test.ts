/** Tests `pnpm playground` in a real browser: its predictions are those of `pnpm predict`. */
import { once } from "node:events";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { decodeImage, MAX_IMAGE_BYTES } from "@lockstep/dataset";
import { test as base, defined, temporaryFolder } from "@lockstep/testing";
import { chromium, type Page } from "playwright-core";
import sharp from "sharp";
import { expect } from "vitest";
import { assertSucceeded } from "./testing/assert-succeeded.ts";
import { oddPictures, shapePicture } from "./testing/pictures.ts";
import { settled, Visit } from "./testing/playground-visit.ts";
import { start, tinyModel } from "./testing/program.ts";
import { runInProcess } from "./testing/run-in-process.ts";

const executablePath = process.env["LOCKSTEP_TEST_CHROMIUM"] ?? "/usr/bin/chromium";
const hasBrowser = existsSync(executablePath);
const lack = hasBrowser ? "" : ` (needs LOCKSTEP_TEST_CHROMIUM, or Chromium at ${executablePath})`;

const folderOfRun = temporaryFolder();
/** `trained` is a run, `port` that of its playground, `ring` a picture of a ring, and `visit` opens the page. */
const test = base
  .extend("trained", { scope: "file" }, async () => {
    const out = join(folderOfRun, "run");
    const data = ["--dataset", "shapes", "--batch-size", "64", "--train-fraction", "1", "--no-test", "--no-dashboard"];
    const training = ["--model", tinyModel, ...data, "--lr", "0.05", "--max-steps", "80", "--out", out];
    assertSucceeded(await runInProcess(["train", ...training]));
    return out;
  })
  .extend("port", { scope: "file" }, async ({ trained }, { onCleanup }) => {
    const playground = start(["playground", "--run", trained, "--port", "0"], {}, [], "file");
    onCleanup(() => void playground.child.kill("SIGKILL"));
    await playground.prints("Ctrl-C");
    return Number(defined(/http:\/\/127\.0\.0\.1:(\d+)/.exec(playground.stdout()))[1]);
  })
  .extend("browser", { scope: "file" }, async ({ port: _ }, { onCleanup }) => {
    const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    onCleanup(() => browser.close());
    return browser;
  })
  .extend("visit", ({ browser, port }, { onCleanup }) => {
    const visit = new Visit(browser, port);
    onCleanup(() => visit.end());
    return visit;
  })
  .extend("ring", ({ folder }) => shapePicture(folder, 1));
const testPage = test.runIf(hasBrowser);

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

/** Returns what the page shows of a picture. */
async function shownOf(page: Page) {
  return {
    picture: await page.locator("#seen").isVisible(),
    predictions: await page.locator("#ranking li").count(),
    caption: await page.locator("#caption").textContent(),
  };
}

/** Returns the classes and the percentages that `pnpm predict` prints for pictures. */
async function predictedBy(run: string, pictures: readonly string[]): Promise<{ name: string; percent: number }[]> {
  const { stdout } = await runInProcess(["predict", "--run", run, ...pictures]);
  return [...stdout.matchAll(/^.*?: ([a-z ]+) (\d+\.\d)%/gm)].map(([, name, percent]) => ({
    name: defined(name),
    percent: Number(percent),
  }));
}

testPage(
  `the page classifies 20 pictures of many sizes as pnpm predict does, from equal inputs${lack}`,
  async ({ visit, trained, folder }) => {
    const pictures = await Promise.all(Array.from({ length: 20 }, (_, index) => shapePicture(folder, index)));
    const predicted = await predictedBy(trained, pictures);
    expect(new Set(predicted.map(({ name }) => name)).size).toBeGreaterThan(4);
    expect(predicted.length).toBe(20);
    const page = await visit.open();
    for (const [index, { name, percent }] of predicted.entries()) {
      const picture = defined(pictures[index]);
      await page.setInputFiles("#file", picture);
      const prediction = await predictionOn(page);
      expect(prediction.name).toBe(name);
      expect(Math.abs(prediction.percent - percent)).toBeLessThan(0.15); // one unit in the last digit
      expect(await shownBytes(page)).toEqual([...(await decodeImage(picture, { height: 32, width: 32 }))]);
    }
  },
);

testPage(
  `the page decodes a PNG with gamma, CMYK, a rotated photo, transparency and 16 bits exactly as pnpm predict does${lack}`,
  async ({ visit, folder }) => {
    const page = await visit.open();
    for (const path of await oddPictures(folder)) {
      await page.setInputFiles("#file", path);
      await settled(page);
      const due = await decodeImage(path, { height: 32, width: 32 });
      expect(await shownBytes(page), path).toEqual([...due]);
    }
  },
);

testPage(
  `the page refuses what pnpm predict refuses, with the same message and nothing of an earlier picture${lack}`,
  async ({ visit, ring, folder }) => {
    const page = await visit.open();
    await page.setInputFiles("#file", ring);
    await predictionOn(page);
    for (const format of ["webp", "avif", "gif", "tiff"] as const) {
      const path = join(folder, `shape.${format}`);
      await sharp(ring).toFormat(format).toFile(path);
      const refusal = await decodeImage(path, { height: 32, width: 32 }).then(String, ({ message }: Error) => message);
      await page.setInputFiles("#file", path);
      await page.getByText(refusal.replace(path, `shape.${format}`)).waitFor();
      expect(await shownOf(page)).toEqual({ picture: false, predictions: 0, caption: "" });
    }
    expect(visit.expectedProblems().every((problem) => problem.includes("422"))).toBe(true); // one for each
  },
);

testPage(`the page accepts a picture that is dropped anywhere${lack}`, async ({ visit, ring }) => {
  const page = await visit.open();
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [ring], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await session.send("Input.dispatchDragEvent", { type, x: 5, y: 5, data });
  }
  await page.waitForSelector("#ranking li");
  expect((await predictionOn(page)).name).toBe("ring");
});

testPage(
  `the page accepts a picture from the clipboard, and reports if it has none${lack}`,
  async ({ visit, ring }) => {
    const page = await visit.open({ permissions: ["clipboard-read", "clipboard-write"] });
    const base64 = readFileSync(ring).toString("base64");
    await page.evaluate(`navigator.clipboard.write([new ClipboardItem({
    "image/png": new Blob([Uint8Array.from(atob("${base64}"), (c) => c.charCodeAt(0))], { type: "image/png" }),
  })])`);
    await page.keyboard.press("Control+V");
    await page.waitForSelector("#ranking li");
    expect((await predictionOn(page)).name).toBe("ring");
    await page.evaluate('navigator.clipboard.writeText("a ring")');
    await page.keyboard.press("Control+V");
    await page.getByText("Expected a picture, got something else").waitFor();
  },
);

testPage(`the page can be used by keyboard${lack}`, async ({ visit, ring }) => {
  const page = await visit.open();
  const chosen = page.waitForEvent("filechooser"); // Playwright intercepts the dialog from now on
  await page.keyboard.press("Tab");
  await page.waitForSelector("#file:focus");
  await page.keyboard.press("Enter");
  await (await chosen).setFiles(ring);
  expect((await predictionOn(page)).name).toBe("ring");
});

testPage(
  `the page reports a file that is not a picture, and accepts the next${lack}`,
  async ({ visit, ring, folder }) => {
    const page = await visit.open();
    const notes = join(folder, "notes.png");
    writeFileSync(notes, "not a picture");
    await page.setInputFiles("#file", notes);
    await page.getByText("Expected a PNG or JPEG image at notes.png, got: an unsupported format").waitFor();
    expect(visit.expectedProblems()).toEqual([expect.stringContaining("422")]); // the browser logs it
    await page.setInputFiles("#file", ring);
    expect((await predictionOn(page)).name).toBe("ring");
  },
);

testPage.for(["light", "dark"] as const)(
  `the page fits a phone and a wide screen, in %s colours${lack}`,
  async (colorScheme, { visit, ring }) => {
    for (const width of [390, 1400]) {
      const page = await visit.open({ viewport: { width, height: 800 }, colorScheme });
      await page.setInputFiles("#file", ring);
      await predictionOn(page);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
      const color = await page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor");
      const [red] = defined(color.match(/\d+/));
      expect(Number(red) < 128).toBe(colorScheme === "dark");
    }
  },
);

/** The parts of a request that matter to the server. */
interface Asked {
  path?: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
}

/** Sends a request to the playground's server. */
async function ask(port: number, { path = "/", method = "GET", headers = {}, body = "" }: Asked) {
  const request = httpRequest({ host: "127.0.0.1", port, path, headers, method }).end(body);
  const [response]: IncomingMessage[] = await once(request, "response");
  return defined(response).resume();
}

test("the server decodes pictures for its own page only", async ({ port, ring }) => {
  const picture = { path: "/pixels?name=ring.png", method: "POST", body: readFileSync(ring) };
  const sameOrigin = await ask(port, { ...picture, headers: { origin: `http://127.0.0.1:${port}` } });
  expect([sameOrigin.statusCode, sameOrigin.headers["content-length"]]).toEqual([200, String(32 * 32 * 3)]);
  expect(sameOrigin.headers["content-security-policy"]).toContain("default-src 'none'");
  const otherOrigin = await ask(port, { ...picture, headers: { origin: "http://pictures.example" } });
  expect(otherOrigin.statusCode).toBe(403);
  const otherHost = await ask(port, { ...picture, headers: { host: `pictures.example:${port}` } });
  expect(otherHost.statusCode).toBe(403);
  expect((await ask(port, { path: "/pixels" })).statusCode).toBe(405);
});

test("the server refuses a picture that is too large, and accepts the next", async ({ port, ring }) => {
  const png = readFileSync(ring);
  const large = Buffer.concat([png, Buffer.alloc(MAX_IMAGE_BYTES)]);
  const post = (body: Uint8Array) => ask(port, { path: "/pixels", method: "POST", body });
  expect((await post(large)).statusCode).toBe(422);
  expect((await post(png)).statusCode).toBe(200);
});

test("the server refuses a foreign Host header, and WebSockets", async ({ port }) => {
  expect((await ask(port, { headers: { host: `localhost:${port}` } })).statusCode).toBe(200);
  expect((await ask(port, { headers: { host: `pictures.example:${port}` } })).statusCode).toBe(403);
  const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
  const headers = { ...upgrade, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
  expect((await ask(port, { headers })).statusCode).toBe(503);
});

test.for<[path: string, status: number]>([
  ["/page.js", 200],
  ["/tfjs/model.json", 200],
  ["/tfjs/weights.bin", 200],
  ["/config.json", 404],
  ["/tfjs/../config.json", 404],
])(
  "the server has the page and the model, and no other file of the run: %s has status %i",
  async ([path, status], { port }) => {
    expect((await ask(port, { path })).statusCode).toBe(status);
  },
);

test("the playground ends on Ctrl-C", async ({ trained }) => {
  const playground = start(["playground", "--run", trained, "--port", "0"]);
  await playground.prints("Ctrl-C");
  playground.child.kill("SIGINT");
  expect((await playground.finished).status).toBe(0);
});

test("a run without a tfjs model is refused with the commands that make one", async ({ trained, folder }) => {
  copyFileSync(join(trained, "config.json"), join(folder, "config.json"));
  const { status, stderr } = await runInProcess(["playground", "--run", folder]);
  expect(stderr).toContain(`ERR_NO_TFJS: Expected a model in ${join(folder, "tfjs")}`);
  expect(stderr).toContain(`pnpm train --resume ${folder}`);
  expect(status).toBe(1);
});

test("a folder that is not a run is named", async ({ folder }) => {
  const { status, stderr } = await runInProcess(["playground", "--run", join(folder, "nothing")]);
  expect(stderr).toContain(`ERR_NO_RUN: Expected the folder of a run at ${join(folder, "nothing")}`);
  expect(status).toBe(1);
});

test("a port in use is named", async ({ trained }) => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const { status, stderr } = await runInProcess(["playground", "--run", trained, "--port", String(port)]);
  server.close();
  expect(stderr).toContain(`ERR_LISTEN: Cannot listen on 127.0.0.1:${port}`);
  expect(status).toBe(1);
});
