/**
 * Serves a page on the loopback interface that classifies pictures with the model of a run. The browser runs the model;
 * the server decodes the pictures as `pnpm predict` does, since browsers decode some of them differently.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { shellWord } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import { bundleScript, type Content, PALETTE, type Pages, servePages } from "@lockstep/pages";
import { openRunFolder, parseRunFile, type RunFile, type RunFolder } from "@lockstep/run";
import { openServer } from "@lockstep/transport";
import type { PlaygroundFacts } from "./facts.ts";
import { pixelsListener } from "./pixels.ts";

const LOOPBACK = "127.0.0.1";
/** Path that the page posts pictures to. */
const PIXELS = "/pixels";

/** The run whose model the page uses, and the port to listen on. */
export interface PlaygroundOptions {
  /** Folder of the run. */
  run: string;
  port: number;
  /** Whether to use the next free port if that one is in use. */
  anyPort: boolean;
}

/** A playground that is being served. */
export interface Playground {
  url: string;
  close(): Promise<void>;
}

/**
 * Starts to serve the playground.
 *
 * @throws LockstepError ERR_NO_RUN, ERR_RUN_FILE, ERR_NO_TFJS if the run has no tfjs/ yet, or ERR_LISTEN
 */
export async function openPlayground({ run: dir, port, anyPort }: PlaygroundOptions): Promise<Playground> {
  const { folder, config } = openRunFolder(dir);
  const run = parseRunFile(config, folder.config);
  assertTfjsModel(folder);
  const onPage = servePages(await pagesOf(folder, run));
  const [height, width] = run.derived.inputShape;
  const onPicture = pixelsListener({ height, width });
  const server = await openServer({
    host: LOOPBACK,
    port,
    anyPort,
    onRequest: (request, response) => (isPicture(request.url ?? "/") ? onPicture : onPage)(request, response),
    isProtected: isPicture, // accept pictures from this page only
    // No WebSocket can connect.
    maxWorkers: 0,
    maxPayload: 1,
    onSocket: (socket) => socket.terminate(),
  });
  return { url: `http://${LOOPBACK}:${server.port}`, close: () => server.close() };
}

const isPicture = (url: string) => url.replace(/\?.*/, "") === PIXELS;

function assertTfjsModel({ dir, tfjs }: RunFolder): void {
  if (existsSync(join(tfjs, "model.json"))) return;
  throw new LockstepError(
    "ERR_NO_TFJS",
    `Expected a model in ${tfjs}, which a run writes when it ends. This run has none. Continue it with ` +
      `pnpm train --resume ${shellWord(dir)}, or export its last checkpoint with pnpm export --run ${shellWord(dir)} --to tfjs --out ${shellWord(tfjs)}`,
  );
}

async function pagesOf(folder: RunFolder, run: RunFile): Promise<Pages> {
  const source = (name: string) => new URL(`../page/${name}`, import.meta.url);
  return new Map<string, Content>([
    ["/", { file: source("index.html") }],
    ["/palette.css", PALETTE],
    ["/page.css", { file: source("page.css") }],
    ["/icon.svg", { file: source("icon.svg") }],
    ["/page.js", await bundleScript(source("page.ts"))],
    ["/run.json", JSON.stringify(factsOf(run))],
    ["/tfjs/model.json", { file: join(folder.tfjs, "model.json") }],
    ["/tfjs/weights.bin", { file: join(folder.tfjs, "weights.bin") }],
  ]);
}

function factsOf({ dataset, derived }: RunFile): PlaygroundFacts {
  const { modelName, parameters, steps, inputShape, classes, mean, std } = derived;
  return { modelName, parameters, dataset, steps, inputShape, classes, mean, std };
}
