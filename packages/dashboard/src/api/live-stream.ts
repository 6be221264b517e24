/**
 * Streams a run as Server-Sent Events. A page that comes gets all that is known, then what is new; one that
 * comes back with `Last-Event-ID` gets what it missed, if that is still here.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { PAGE_HEADERS } from "@lockstep/pages";
import { isOver, type LiveRun, type RunUpdate } from "@lockstep/run/live";

/** Updates are sent together: no page can show more of them in a second. */
const FLUSH_MS = 200;
/** Messages that are kept for pages that come back, and their size in characters. */
const MAX_REPLAY_MESSAGES = 256;
const MAX_REPLAY_CHARACTERS = 4 * 2 ** 20;
/** A page that reads so much too slowly is let go: it comes back, and gets what is known by then. */
const MAX_UNSENT_BYTES = 16 * 2 ** 20;
const MAX_PAGES = 64;
/** So that a connection that is dead is noticed, on both sides. */
const KEEPALIVE_MS = 15_000;

/** Sends the state of a run to all pages that watch it, and each update after it. */
export class LiveStream {
  readonly #live: LiveRun;
  readonly #pages = new Set<ServerResponse>();
  /** Tells messages of this process from those of one before it. */
  readonly #process = randomUUID().slice(0, 8);
  /** Messages so far, of which the last few are kept. */
  #sent = 0;
  #replay: string[] = [];
  /** True once a page has come: before that nobody can come back, so no message is kept. */
  #watched = false;
  #pending: RunUpdate[] = [];
  #flushing: NodeJS.Timeout | undefined;
  readonly #keepalive: NodeJS.Timeout;
  readonly #unsubscribe: () => void;

  constructor(live: LiveRun) {
    this.#live = live;
    this.#unsubscribe = live.subscribe((update) => {
      if (!this.#watched) return;
      this.#enqueue(update);
      if (isOver(live.snapshot())) return this.#flush(); // soon nobody is there to send it
      this.#flushing ??= setTimeout(() => this.#flush(), FLUSH_MS).unref();
    });
    this.#keepalive = setInterval(() => this.#write(": alive\n\n"), KEEPALIVE_MS).unref();
  }

  open(request: IncomingMessage, response: ServerResponse): void {
    if (this.#pages.size >= MAX_PAGES) {
      response.writeHead(503, PAGE_HEADERS).end(`${MAX_PAGES} pages are open already; close one.\n`);
      return;
    }
    response.writeHead(200, { ...PAGE_HEADERS, "content-type": "text/event-stream" });
    if (request.method === "HEAD") return void response.end();
    this.#watched = true;
    this.#flush(); // what is known holds what is pending
    const missed = this.#missedSince(request.headers["last-event-id"]);
    const all = () => this.#messageOf("snapshot", this.#live.snapshot());
    response.write(`retry: 1000\n\n${missed?.join("") ?? all()}`);
    this.#pages.add(response);
    response.once("close", () => this.#pages.delete(response));
  }

  close(): void {
    this.#flush();
    this.#unsubscribe();
    clearInterval(this.#keepalive);
    for (const page of this.#pages) page.end();
  }

  /** Of the phases that alternate between two messages, only the last one is sent. */
  #enqueue(update: RunUpdate): void {
    if (update.type === "phase") this.#pending = this.#pending.filter(({ type }) => type !== "phase");
    this.#pending.push(update);
  }

  #flush(): void {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    if (this.#pending.length === 0) return;
    this.#sent++;
    const message = this.#messageOf("updates", this.#pending);
    this.#pending = [];
    this.#replay.push(message);
    let characters = this.#replay.reduce((total, { length }) => total + length, 0);
    while (this.#replay.length > MAX_REPLAY_MESSAGES || characters > MAX_REPLAY_CHARACTERS)
      characters -= this.#replay.shift()!.length;
    this.#write(message);
  }

  #write(text: string): void {
    for (const page of this.#pages) {
      if (page.writableLength > MAX_UNSENT_BYTES) page.destroy();
      else page.write(text);
    }
  }

  /** JSON has no line ends of its own. */
  #messageOf(event: "snapshot" | "updates", data: unknown): string {
    return `id: ${this.#process}-${this.#sent}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  #missedSince(lastId: string | string[] | undefined): string[] | undefined {
    const [, process, number] = /^(\w+)-(\d+)$/.exec(String(lastId)) ?? [];
    const missed = this.#sent - Number(number);
    if (process !== this.#process || !(missed >= 0 && missed <= this.#replay.length)) return undefined;
    return missed === 0 ? [] : this.#replay.slice(-missed);
  }
}
