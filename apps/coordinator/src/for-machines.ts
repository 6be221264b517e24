/** What other programs ask a coordinator: `/metrics`, `/api/run` and `/healthz`. docs/monitoring.md tells of each. */
import type { ServerResponse } from "node:http";
import { answer, type RequestHandler } from "@lockstep/door";
import type { LiveRun } from "@lockstep/run/live";
import { RunMetrics } from "./run-metrics.ts";
import { runReport } from "./run-report.ts";

/** Answers these, and leaves all else to `others`. */
export function forMachines(live: LiveRun, others: RequestHandler): RequestHandler {
  const metrics = new RunMetrics(live);
  const answers = new Map<string, (response: ServerResponse) => void>([
    ["/metrics", (response) => void metrics.text().then((text) => send(response, metrics.contentType, text))],
    ["/api/run", (response) => send(response, "application/json", `${JSON.stringify(runReport(live.snapshot()))}\n`)],
  ]);
  return (request, response, isTrusted) => {
    const path = request.url!.replace(/\?.*/, "");
    const tell = answers.get(path);
    if (path !== "/healthz" && tell === undefined) others(request, response, isTrusted);
    else if (request.method !== "GET" && request.method !== "HEAD") {
      answer(response, 405, "Expected GET or HEAD.", { allow: "GET, HEAD" });
    } else if (tell === undefined) {
      answer(response, 200, "ok"); // tells nothing of the run, so anyone may ask
    } else if (isTrusted()) tell(response);
  };
}

function send(response: ServerResponse, type: string, text: string): void {
  response.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(text);
}
