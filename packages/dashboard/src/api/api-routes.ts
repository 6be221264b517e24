/** Serves `/metrics`, `/api/run` and `/healthz` to other programs. docs/monitoring.md describes each. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { PAGE_HEADERS } from "@lockstep/pages";
import type { LiveRun } from "@lockstep/run/live";
import type { RunMetrics } from "./run-metrics.ts";
import { runReport } from "./run-report.ts";

interface Body {
  type: string;
  text: string;
}

const TEXT = "text/plain; charset=utf-8";

/** Returns a handler for requests to the API. It resolves with false for any other path, which it leaves unanswered. */
export function apiRoutes(live: LiveRun) {
  let metrics: Promise<RunMetrics> | undefined;
  const metricsPage = async (): Promise<Body> => {
    metrics ??= import("./run-metrics.ts").then(({ RunMetrics }) => new RunMetrics(live)); // most runs are not scraped
    const loaded = await metrics;
    return { type: loaded.contentType, text: await loaded.text() };
  };
  const pages = new Map<string, () => Promise<Body>>([
    ["/healthz", async () => ({ type: TEXT, text: "ok\n" })], // public: reveals nothing about the run
    ["/metrics", metricsPage],
    ["/api/run", async () => ({ type: "application/json", text: `${JSON.stringify(runReport(live.snapshot()))}\n` })],
  ]);
  return async (path: string, { method }: IncomingMessage, response: ServerResponse): Promise<boolean> => {
    const page = pages.get(path);
    if (page === undefined) return false;
    const isRead = method === "GET" || method === "HEAD";
    const { type, text } = isRead ? await page() : { type: TEXT, text: `${STATUS_CODES[405]}\n` };
    const headers = { ...PAGE_HEADERS, "content-type": type, ...(isRead ? {} : { allow: "GET, HEAD" }) };
    response.writeHead(isRead ? 200 : 405, headers).end(text);
    return true;
  };
}
