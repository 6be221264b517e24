/** Tests who may read the API, and that docs/monitoring.md describes all of it. */
import { readFileSync } from "node:fs";
import { PHASE_NAMES } from "@lockstep/run/live";
import { defined } from "@lockstep/testing";
import { expect } from "vitest";
import { parseMetrics } from "../testing/prometheus.ts";
import { test, trusted } from "../testing/served-site.ts";
import { addTwoSteps } from "../testing/two-steps.ts";

const docs = readFileSync(new URL("../../../../docs/monitoring.md", import.meta.url), "utf8");

/** Returns the words in the first column of the tables below a heading of the page, sorted. */
function documented(heading: string): string[] {
  const [section] = defined(docs.split(`\n## ${heading}\n`)[1]).split("\n## ");
  return [...defined(section).matchAll(/^\| (`.*?`) \|/gm)]
    .flatMap(([, cell]) => defined(defined(cell).match(/[\w]+/g)))
    .sort();
}

test("docs/monitoring.md lists every field of /api/run, and no other", async ({ site }) => {
  addTwoSteps(site.live);
  site.live.phase("stepping");
  const report: { workers: object[] } = JSON.parse((await site.ask("/api/run", { headers: trusted })).text);
  const fields = [...Object.keys(report), ...Object.keys(defined(report.workers[0]))];
  expect(documented("/api/run")).toEqual(fields.sort());
});

test("docs/monitoring.md lists every metric, and no other", async ({ site }) => {
  addTwoSteps(site.live);
  site.live.phase("stepping");
  const { types } = parseMetrics((await site.ask("/metrics", { headers: trusted })).text);
  expect(documented("/metrics")).toEqual(Object.keys(types).sort());
});

test("docs/monitoring.md lists every phase, and no other", () => {
  expect(documented("The phase")).toEqual([...PHASE_NAMES].sort());
});

test.for(["/metrics", "/api/run"])("%s needs the token, and guesses are rate limited", async (path, { site }) => {
  const text = "Expected the token of this coordinator, got none.\n";
  expect(await site.ask(path)).toMatchObject({ status: 401, text });
  for (let guess = 0; guess < 2; guess++) {
    expect((await site.ask(path, { headers: { authorization: `Bearer guess-${guess}` } })).status).toBe(401);
  }
  expect((await site.ask(path, { headers: trusted })).status).toBe(429);
  expect((await site.ask("/healthz")).status).toBe(200);
});

test.for(["/metrics", "/api/run", "/healthz"])("%s refuses a foreign Host header", async (path, { site }) => {
  expect((await site.ask(path, { headers: { ...trusted, host: "evil.example" } })).status).toBe(403);
});

test("/healthz needs no token", async ({ site }) => {
  expect(await site.ask("/healthz")).toMatchObject({ status: 200, text: "ok\n" });
});

test.for(["/healthz", "/metrics", "/api/run"])("%s is read-only", async (path, { site }) => {
  expect((await site.ask(path, { headers: trusted, method: "POST" })).status).toBe(405);
});

test("/metrics responds to HEAD without a body", async ({ site }) => {
  expect((await site.ask("/metrics", { headers: trusted, method: "HEAD" })).text).toBe("");
});
