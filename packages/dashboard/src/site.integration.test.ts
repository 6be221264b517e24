/** Tests who may read the page and its data. The page's script is bundled, which starts a process. */
import { expect } from "vitest";
import { test, trusted } from "./testing/served-site.ts";

test("the page needs no token, and the data that it shows needs one", async ({ site }) => {
  for (const path of ["/", "/page.js", "/palette.css", "/page.css", "/uplot.css", "/icon.svg"]) {
    expect((await site.ask(path)).status, path).toBe(200);
  }
  for (const path of ["/others.json", "/nothing", "/live?token=wrong"]) {
    expect((await site.ask(path)).status, path).toBe(401);
  }
});

test("the data of the page is served with the token, and an unknown path is not found", async ({ site }) => {
  expect((await site.ask("/others.json", { headers: trusted })).status).toBe(200);
  for (const path of ["/nothing", "/elsewhere"]) {
    expect((await site.ask(path, { headers: trusted })).status, path).toBe(404);
  }
});
