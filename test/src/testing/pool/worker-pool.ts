/** A pool of worker processes that are reused, since an engine takes seconds to start. */

import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { at } from "@lockstep/errors";
import { defined, type Owner } from "@lockstep/testing";
import { launch, type Running } from "../program.ts";
import type { JoinOptions, JoinRequest } from "./join-request.ts";

const program = fileURLToPath(new URL("../../../dist/testing/pool/standby-worker.js", import.meta.url));

const POLL_MS = 5;

/** A worker process that can join several runs. */
export class StandbyWorker {
  readonly process: Running;
  #runs = 0;

  /**
   * @param owner the test that it ends with. @default the current one
   * @param env additional environment variables
   */
  constructor(owner?: Owner, env: NodeJS.ProcessEnv = {}) {
    this.process = launch([process.execPath, program], env, owner);
  }

  /** Resolves when its engine has started and it is in no run. */
  ready(): Promise<void> {
    return this.process.prints(`idle ${this.#runs}\n`);
  }

  /** Makes it join a coordinator. A failure ends the process. */
  join(name: string, url: string, options: JoinOptions = {}): void {
    this.#request(name, url, options, false);
  }

  /** Makes it join a coordinator, and resolves with the code and message of the failure that ends its run. */
  async failure(name: string, url: string, options: JoinOptions = {}): Promise<string> {
    this.#request(name, url, options, true);
    await this.ready();
    const [, failure] = new RegExp(`^failure ${this.#runs} (.*)$`, "m").exec(this.process.stdout()) ?? [];
    return JSON.parse(defined(failure, `a failure of ${name}`));
  }

  #request(name: string, coordinator: string, options: JoinOptions, mayFail: boolean): void {
    const request: JoinRequest = { run: ++this.#runs, name, coordinator, mayFail, reconnectMs: 30_000, ...options };
    defined(this.process.child.stdin).write(`${JSON.stringify(request)}\n`);
  }

  /** Returns its memory. During a step it has more tensors. */
  async memory(): Promise<{ tensors: number; rssBytes: number }> {
    const reports = () => this.process.stdout().match(/^memory .*\n/gm) ?? [];
    const before = reports().length;
    defined(this.process.child.stdin).write("memory\n");
    while (reports().length === before) await pause(POLL_MS);
    return JSON.parse(at(reports(), -1).slice("memory ".length));
  }
}

/** A pool of workers. */
export class WorkerPool {
  readonly #waiting: StandbyWorker[];
  readonly #owner: Owner | undefined;
  readonly #env: NodeJS.ProcessEnv;

  /**
   * @param count number of workers to start
   * @param owner the test that they end with. @default the one that starts them
   * @param env additional environment variables of the workers
   */
  constructor(count: number, owner?: Owner, env: NodeJS.ProcessEnv = {}) {
    this.#owner = owner;
    this.#env = env;
    this.#waiting = Array.from({ length: count }, () => this.#newWorker());
  }

  /** Returns the next worker when it is ready; a new one if the pool is empty. */
  async acquire(): Promise<StandbyWorker> {
    const worker = this.#waiting.shift() ?? this.#newWorker();
    await worker.ready();
    return worker;
  }

  /** Returns a worker that has left its run to the pool. */
  release(worker: StandbyWorker): void {
    this.#waiting.push(worker);
  }

  /** Adds a new worker for one that was killed. */
  replace(): void {
    this.#waiting.push(this.#newWorker());
  }

  #newWorker(): StandbyWorker {
    return new StandbyWorker(this.#owner, this.#env);
  }
}
