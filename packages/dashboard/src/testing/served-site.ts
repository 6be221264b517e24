/** The site of a live run behind a server in this process, and requests to it. */
import { once } from "node:events";
import { request as httpRequest, IncomingMessage } from "node:http";
import { text as readText } from "node:stream/consumers";
import { LockstepError } from "@lockstep/errors";
import type { Command } from "@lockstep/run";
import { LiveRun } from "@lockstep/run/live";
import { test as base, defined } from "@lockstep/testing";
import { openServer } from "@lockstep/transport";
import { makeSite } from "../site.ts";

/** Token that protects the run's facts. */
export const TOKEN = "let-me-in";
/** Token that the run's commands need besides. */
export const CONTROL = "let-me-command";
/** Headers of a request with the token. */
export const trusted = { authorization: `Bearer ${TOKEN}` };
/** Time of every event and step, in milliseconds since 1970. */
export const NOW_MS = Date.UTC(2026, 10, 24, 12, 0, 0, 500);

/** A request besides its path. */
export interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** A response whose body has been read. */
export interface Reply {
  status: number;
  type: string | undefined;
  text: string;
}

/** Serves the site of a new run. Tokens may be guessed three times a minute. */
async function serveSite() {
  const live = new LiveRun(undefined, () => NOW_MS);
  const commands: Command[] = [];
  const command = async (sent: Command) => {
    if (sent.do === "drop") throw new LockstepError("ERR_COMMAND", `No worker ${sent.worker} is here.`);
    commands.push(sent);
  };
  const { onRequest, isProtected, close } = makeSite({ live, control: { token: CONTROL, command } });
  const server = await openServer({
    host: "127.0.0.1",
    port: 0,
    anyPort: false,
    token: TOKEN,
    refusedJoinsPerMinute: 3,
    maxPayload: 1,
    onSocket: (socket) => socket.close(),
    onRequest,
    isProtected,
  });
  const end = async () => {
    close();
    await server.close();
  };
  return { live, commands, port: server.port, close: end };
}

/** A served site, and requests to it. */
export class ServedSite {
  readonly live: LiveRun;
  /** Commands that were carried out. */
  readonly commands: readonly Command[];
  readonly #port: number;

  constructor({ live, commands, port }: Omit<Awaited<ReturnType<typeof serveSite>>, "close">) {
    this.live = live;
    this.commands = commands;
    this.#port = port;
  }

  /** Sends a request, and returns its response, whose body is yet to be read. */
  async request(path: string, { method = "GET", headers = {}, body }: RequestOptions = {}): Promise<IncomingMessage> {
    const options = { host: "127.0.0.1", port: this.#port, path, method, headers };
    const [response] = await once(httpRequest(options).end(body), "response");
    if (!(response instanceof IncomingMessage)) throw new TypeError("Expected a response.");
    return response.setEncoding("utf8");
  }

  /** Sends a request, and reads its response. */
  async ask(path: string, options: RequestOptions = {}): Promise<Reply> {
    const response = await this.request(path, options);
    const { statusCode, headers } = response;
    return { status: defined(statusCode), type: headers["content-type"], text: await readText(response) };
  }
}

/** The shared `test` with the fixture `site`: the site of a new run, behind a server. */
export const test = base
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads a fixture's needs from this pattern
  .extend("site", async ({}, { onCleanup }) => {
    const { close, ...served } = await serveSite();
    onCleanup(close);
    return new ServedSite(served);
  });
