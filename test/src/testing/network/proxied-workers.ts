/** Named workers of a run that connect through proxies, so that a test can disturb their links. */
import { defined, type Owner } from "@lockstep/testing";
import { StandbyWorker } from "../pool/worker-pool.ts";
import type { Running } from "../program.ts";
import type { Training, WorkerOptions } from "../training.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** Options of the workers. */
export interface ProxiedWorkersOptions {
  /** Number of workers for `join`, which start at once. @default 0 */
  standbys?: number;
  /**
   * Upload speed of each link. A slow one gives a step a length that takes no computing, so that few steps pass while a
   * test waits for something else. @default no limit
   */
  bytesPerSecond?: number;
  /** The test that the standby workers end with. @default the current one */
  owner?: Owner;
}

/** A worker and the proxy through which it connects. */
export interface ProxiedWorker {
  process: Running;
  proxy: TcpProxy;
}

/** The workers of a run. */
export class ProxiedWorkers {
  readonly #run: Training;
  readonly #workers = new Map<string, ProxiedWorker>();
  /** Workers in no run, whose engines have started: while one starts, the run would advance by many steps. */
  readonly #standbys: StandbyWorker[];
  readonly #bytesPerSecond: number;

  constructor(
    run: Training,
    { standbys = 0, bytesPerSecond = Number.POSITIVE_INFINITY, owner }: ProxiedWorkersOptions = {},
  ) {
    this.#run = run;
    this.#bytesPerSecond = bytesPerSecond;
    this.#standbys = Array.from({ length: standbys }, () => new StandbyWorker(owner));
  }

  /** Starts the program `worker`. Resolves when it has joined. */
  async start(name: string, options: WorkerOptions = {}): Promise<ProxiedWorker> {
    const proxy = await this.#proxy();
    const worker = { proxy, process: await this.#run.worker(name, { ...options, url: proxy.url }) };
    this.#workers.set(name, worker);
    return worker;
  }

  /** Makes the next standby worker join the run. */
  async join(name: string): Promise<StandbyWorker> {
    const standby = defined(this.#standbys.shift(), "a standby worker");
    await standby.ready();
    const proxy = await this.#proxy();
    this.#workers.set(name, { proxy, process: standby.process });
    const connected = proxy.nextConnection();
    standby.join(name, proxy.url);
    await connected;
    return standby;
  }

  /** Returns a worker by its name. */
  get(name: string): ProxiedWorker {
    return defined(this.#workers.get(name), `worker ${name}`);
  }

  /** Sends a signal to a worker. */
  signal(name: string, signal: NodeJS.Signals): void {
    this.get(name).process.child.kill(signal);
  }

  /** Kills all workers, and closes their proxies. */
  close(): void {
    for (const { process, proxy } of this.#workers.values()) {
      process.child.kill("SIGKILL");
      proxy.close();
    }
    for (const { process } of this.#standbys) process.child.kill("SIGKILL");
  }

  async #proxy(): Promise<TcpProxy> {
    const proxy = await TcpProxy.to(this.#run.port);
    proxy.upSpeed.bytesPerSecond = this.#bytesPerSecond;
    return proxy;
  }
}
