/** Answers each path of a dashboard. The server before it has checked hosts, origins and the token. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { bundleScript, type Content, PAGE_HEADERS, PALETTE, type Pages, servePages } from "@lockstep/pages";
import type { LiveRun } from "@lockstep/run/live";
import { apiRoutes } from "./api/api-routes.ts";
import { type ControlEndpoint, handleCommand } from "./api/control-endpoint.ts";
import { LiveStream } from "./api/live-stream.ts";
import { testImages } from "./api/test-images.ts";

/** The runs that a site shows, and the commands that it takes. */
export interface SiteOptions {
  live: LiveRun;
  /** Runs that it is compared with. @default none */
  others?: readonly LiveRun[];
  /** Takes the page's commands; absent, the page only shows. */
  control?: ControlEndpoint | undefined;
}

/** The paths of a dashboard, without a server. */
export interface Site {
  /** Answers a request that the server has let in. */
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  isProtected(path: string): boolean;
  /** Ends what is under way. */
  close(): void;
}

/** Paths that need no token: they show nothing of a run. */
const PUBLIC_PATHS = ["/", "/palette.css", "/page.css", "/uplot.css", "/icon.svg", "/page.js", "/healthz"];

/** Makes the site of a run. It listens nowhere: a server hands it the requests. */
export function makeSite({ live, others = [], control }: SiteOptions): Site {
  const stream = new LiveStream(live);
  const handleApiRequest = apiRoutes(live);
  let pages: Promise<ReturnType<typeof servePages>> | undefined;

  async function handleRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url!.replace(/\?.*/, "");
    if (await handleApiRequest(path, request, response)) return;
    if (path === "/live") return stream.open(request, response);
    if (path === "/test-images.json") return sendJson(response, testImages(live.snapshot()));
    if (path === "/control" && control !== undefined) return handleCommand(control, request, response);
    pages ??= pagesOf(others).then(servePages); // made for the first who looks: most runs are not looked at
    (await pages)(request, response);
  }

  return {
    onRequest: (request, response) => {
      handleRequest(request, response).catch(() => response.destroy()); // whoever asked has gone, or sent no text
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
