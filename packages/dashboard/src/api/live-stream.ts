/**
 * Streams a run as Server-Sent Events. A new page receives a snapshot, then updates. A page that reconnects with
 * `Last-Event-ID` receives the messages that it missed, if they are still in the replay buffer.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { PAGE_HEADERS } from "@lockstep/pages";
import { isOver, type LiveRun, type RunUpdate } from "@lockstep/run/live";

/** Milliseconds for which updates are collected into one message: a page cannot show more of them. */
const FLUSH_MS = 200;
/** Limits of the replay buffer, in messages and in characters. */
const MAX_REPLAY_MESSAGES = 256;
const MAX_REPLAY_CHARACTERS = 4 * 2 ** 20;
/** Bytes that may wait for a slow page. Beyond that it is disconnected; it reconnects and receives a snapshot. */
const MAX_UNSENT_BYTES = 16 * 2 ** 20;
const MAX_PAGES = 64;
/** Milliseconds between keep-alive comments, which let both sides notice a dead connection. */
const KEEPALIVE_MS = 15_000;

/** Sends the state of a run, and each update after it, to every page that is open. */
export class LiveStream {
  readonly #live: LiveRun;
  readonly #pages = new Set<ServerResponse>();
  /** Distinguishes messages of this process from those of an earlier one. */
  readonly #process = randomUUID().slice(0, 8);
  /** Number of messages so far. The last of them are in the replay buffer. */
  #sent = 0;
  #replay: string[] = [];
  /** True once a page has connected. Before that no page can reconnect, so no message is stored. */
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
      if (isOver(live.snapshot())) return this.#flush(); // the process may end before the timer fires
      this.#flushing ??= setTimeout(() => this.#flush(), FLUSH_MS).unref();
    });
    this.#keepalive = setInterval(() => this.#write(": alive\n\n"), KEEPALIVE_MS).unref();
  }

  /** Answers a request for the stream. */
  open(request: IncomingMessage, response: ServerResponse): void {
    if (this.#pages.size >= MAX_PAGES) {
      response.writeHead(503, PAGE_HEADERS).end(`Expected at most ${MAX_PAGES} open pages. Close one.\n`);
      return;
    }
    response.writeHead(200, { ...PAGE_HEADERS, "content-type": "text/event-stream" });
    if (request.method === "HEAD") return void response.end();
    this.#watched = true;
    this.#flush(); // the snapshot includes the pending updates
    const missed = this.#missedSince(request.headers["last-event-id"]);
    const all = () => this.#messageOf("snapshot", this.#live.snapshot());
    response.write(`retry: 1000\n\n${missed?.join("") ?? all()}`);
    this.#pages.add(response);
    response.once("close", () => this.#pages.delete(response));
  }

  /** Sends what is pending, and ends all streams. */
  close(): void {
    this.#flush();
    this.#unsubscribe();
    clearInterval(this.#keepalive);
    for (const page of this.#pages) page.end();
  }

  /** Queues an update. Of several changes of phase in one message only the last is sent. */
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
      characters -= this.#replay.shift()?.length ?? 0;
    this.#write(message);
  }

  #write(text: string): void {
    for (const page of this.#pages) {
      if (page.writableLength > MAX_UNSENT_BYTES) page.destroy();
      else page.write(text);
    }
  }

  /** Formats an event. JSON contains no line breaks, so the data is one line. */
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
