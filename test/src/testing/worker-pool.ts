/** Workers that wait to be needed. */
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { launch, type Running } from "./program.ts";

const program = fileURLToPath(new URL("../../dist/testing/standby-worker.js", import.meta.url));

const POLL_MS = 5;

export class StandbyWorker {
  readonly process: Running;
  #runs = 0;

  constructor() {
    this.process = launch([process.execPath, program]);
  }

  /** Resolves when it has its engine, and takes part in no run any more. */
  ready(): Promise<void> {
    return this.process.prints(`idle ${this.#runs}\n`);
  }

  join(name: string, url: string): void {
    this.#runs++;
    this.process.child.stdin!.write(`${name} ${url}\n`);
  }

  /** What it holds; `tensors` while it computes are more. */
  async memory(): Promise<{ tensors: number; rssBytes: number }> {
    const reports = () => this.process.stdout().match(/^memory .*\n/gm) ?? [];
    const before = reports().length;
    this.process.child.stdin!.write("memory\n");
    while (reports().length === before) await pause(POLL_MS);
    return JSON.parse(reports().at(-1)!.slice("memory ".length)) as { tensors: number; rssBytes: number };
  }
}

export class WorkerPool {
  readonly #waiting: StandbyWorker[];

  /** @param count how many are kept ready */
  constructor(count: number) {
    this.#waiting = Array.from({ length: count }, () => new StandbyWorker());
  }

  /** The next that is ready; another one is started in its place if it does not come back. */
  async acquire(): Promise<StandbyWorker> {
    const worker = this.#waiting.shift() ?? new StandbyWorker();
    await worker.ready();
    return worker;
  }

  /** Takes one back that has left its run. */
  release(worker: StandbyWorker): void {
    this.#waiting.push(worker);
  }

  /** One was killed. */
  replace(): void {
    this.#waiting.push(new StandbyWorker());
  }
}
