/** Routes the requests of a dashboard. The server has checked the host, the origin and the token before. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { bundleScript, type Content, PAGE_HEADERS, PALETTE, type Pages, servePages } from "@lockstep/pages";
import type { LiveRun } from "@lockstep/run/live";
import { apiRoutes } from "./api/api-routes.ts";
import { type ControlEndpoint, handleCommand } from "./api/control-endpoint.ts";
import { LiveStream } from "./api/live-stream.ts";

/** The runs that a site shows, and the commands that it accepts. */
export interface SiteOptions {
  live: LiveRun;
  /** Runs to compare it with. @default none */
  others?: readonly LiveRun[];
  /** Carries out the page's commands. @default the page is read-only */
  control?: ControlEndpoint | undefined;
}

/** The request handlers of a dashboard, for a server. */
export interface Site {
  /** Answers a request that the server has admitted. */
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  isProtected(path: string): boolean;
  /** Ends the open event streams. */
  close(): void;
}

/** Paths that need no token, since they reveal nothing about a run. */
const PUBLIC_PATHS = ["/", "/palette.css", "/page.css", "/uplot.css", "/icon.svg", "/page.js", "/healthz"];

/** Makes the site of a run. It does not listen: a server passes requests to it. */
export function makeSite({ live, others = [], control }: SiteOptions): Site {
  const stream = new LiveStream(live);
  const handleApiRequest = apiRoutes(live);
  let pages: Promise<ReturnType<typeof servePages>> | undefined;

  async function handleRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "/").replace(/\?.*/, "");
    if (await handleApiRequest(path, request, response)) return;
    if (path === "/live") return stream.open(request, response);
    if (path === "/test-images.json") {
      const { testImages } = await import("./api/test-images.ts"); // loaded here, since it needs the data sets
      return sendJson(response, testImages(live.snapshot()));
    }
    if (path === "/control" && control !== undefined) return handleCommand(control, request, response);
    pages ??= pagesOf(others).then(servePages); // bundled for the first reader, since most runs have none
    (await pages)(request, response);
  }

  return {
    onRequest: (request, response) => {
      // It rejects if the client has disconnected, or if the body is not text.
      handleRequest(request, response).catch(() => response.destroy());
    },
    isProtected: (path) => !PUBLIC_PATHS.includes(path),
    close: () => stream.close(),
  };
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(value === undefined ? 404 : 200, { ...PAGE_HEADERS, "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

async function pagesOf(others: readonly LiveRun[]): Promise<Pages> {
  const source = (name: string) => new URL(`../page/${name}`, import.meta.url);
  return new Map<string, Content>([
    ["/", { file: source("index.html") }],
    ["/palette.css", PALETTE],
    ["/page.css", { file: source("page.css") }],
    ["/uplot.css", { file: new URL(import.meta.resolve("uplot/dist/uPlot.min.css")) }],
    ["/icon.svg", { file: source("icon.svg") }],
    ["/page.js", await bundleScript(source("page.ts"))],
    ["/others.json", JSON.stringify(others.map((other) => other.snapshot()))],
  ]);
}
