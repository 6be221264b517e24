/** A pool of worker processes that are reused, since an engine takes seconds to start. */

import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { defined, type Owner } from "@lockstep/testing";
import { launch, type Running } from "./program.ts";

const program = fileURLToPath(new URL("../../dist/testing/standby-worker.js", import.meta.url));

const POLL_MS = 5;

/** A worker process that can join several runs. */
export class StandbyWorker {
  readonly process: Running;
  #runs = 0;

  /** @param owner the test that it ends with. @default the current one */
  constructor(owner?: Owner) {
    this.process = launch([process.execPath, program], {}, owner);
  }

  /** Resolves when its engine has started and it is in no run. */
  ready(): Promise<void> {
    return this.process.prints(`idle ${this.#runs}\n`);
  }

  /** Makes it join a coordinator. */
  join(name: string, url: string): void {
    this.#runs++;
    defined(this.process.child.stdin).write(`${name} ${url}\n`);
  }

  /** Returns its memory. During a step it has more tensors. */
  async memory(): Promise<{ tensors: number; rssBytes: number }> {
    const reports = () => this.process.stdout().match(/^memory .*\n/gm) ?? [];
    const before = reports().length;
    defined(this.process.child.stdin).write("memory\n");
    while (reports().length === before) await pause(POLL_MS);
    return JSON.parse(defined(reports().at(-1)).slice("memory ".length)) as { tensors: number; rssBytes: number };
  }
}

/** A pool of workers. */
export class WorkerPool {
  readonly #waiting: StandbyWorker[];

  /** @param count number of workers to start */
  constructor(count: number) {
    this.#waiting = Array.from({ length: count }, () => new StandbyWorker());
  }

  /** Returns the next worker when it is ready; a new one if the pool is empty. */
  async acquire(): Promise<StandbyWorker> {
    const worker = this.#waiting.shift() ?? new StandbyWorker();
    await worker.ready();
    return worker;
  }

  /** Returns a worker that has left its run to the pool. */
  release(worker: StandbyWorker): void {
    this.#waiting.push(worker);
  }

  /** Adds a new worker for one that was killed. */
  replace(): void {
    this.#waiting.push(new StandbyWorker());
  }
}
