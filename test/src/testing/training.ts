/** Runs a coordinator and workers as processes on loopback. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { currentOwner, defined, type Owner } from "@lockstep/testing";
import { type Running, start } from "./program.ts";
import { stepsOf } from "./undisturbed.ts";

/** Milliseconds between two polls of the rows. */
const POLL_MS = 20;
/** Lets workers connect through a proxy on another port. */
const ALLOW_PROXY = ["--allow-host", "127.0.0.1"];

/** How to start a worker. */
export interface WorkerOptions {
  /** URL of the coordinator. @default its own, without a proxy */
  url?: string;
  options?: string[];
  env?: NodeJS.ProcessEnv;
}

/** A run of a coordinator and its workers. */
export class Training {
  readonly out: string;
  coordinator: Running;
  port = 0;
  readonly #owner: Owner;

  private constructor(out: string, coordinator: Running, owner: Owner) {
    this.out = out;
    this.coordinator = coordinator;
    this.#owner = owner;
  }

  /**
   * Starts a coordinator. Resolves when it listens.
   *
   * @param owner the test that all processes of the run end with. @default the current one
   */
  static async start(options: string[], out: string, owner = currentOwner()): Promise<Training> {
    const listenOptions = ["--port", "0", "--out", out];
    const coordinator = start(["coordinator", ...options, ...ALLOW_PROXY, ...listenOptions], {}, [], owner);
    const training = new Training(out, coordinator, owner);
    await training.#listens();
    return training;
  }

  /** Resumes the run with a new coordinator on the same port. */
  async resume(options: string[]): Promise<void> {
    const listenOptions = ["--port", String(this.port), "--resume", this.out];
    this.coordinator = start(["coordinator", ...options, ...ALLOW_PROXY, ...listenOptions], {}, [], this.#owner);
    await this.#listens();
  }

  async #listens(): Promise<void> {
    await this.coordinator.prints(/pnpm worker --coordinator .*\n/);
    this.port = Number(defined(/ws:\/\/127.0.0.1:(\d+)/.exec(this.coordinator.stdout()))[1]);
  }

  /** URL of the coordinator. */
  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  /** Starts a worker. Resolves when it has joined. */
  async worker(name: string, { url, options = [], env }: WorkerOptions = {}): Promise<Running> {
    const words = ["worker", "--coordinator", url ?? this.url, "--threads", "1", "--name", name, ...options];
    const worker = start(words, env, [], this.#owner);
    await worker.prints("joined");
    return worker;
  }

  /** Number of steps in the metrics. The rows are counted, not parsed, since this is polled often. */
  get steps(): number {
    const path = join(this.out, "metrics.jsonl");
    return existsSync(path) ? (readFileSync(path, "utf8").match(/^{"type":"step".*\n/gm) ?? []).length : 0;
  }

  /** Resolves after `steps` more steps. */
  async advances(steps: number): Promise<void> {
    const target = this.steps + steps;
    await this.waitUntil(() => this.steps >= target);
  }

  /** Resolves when a worker has computed slices of a future step. */
  async assignsSlicesTo(name: string): Promise<void> {
    const before = this.steps;
    const did = () =>
      stepsOf(this.out)
        .slice(before)
        .flatMap(({ workers }) => defined(workers));
    await this.waitUntil(() => did().some((worker) => worker.name === name && worker.samples > 0));
  }

  /** Resolves when no step has ended for `ms` milliseconds. */
  async stalls(ms: number): Promise<void> {
    let [steps, sinceMs] = [this.steps, performance.now()];
    await this.waitUntil(() => {
      if (this.steps !== steps) [steps, sinceMs] = [this.steps, performance.now()];
      return performance.now() - sinceMs > ms;
    });
  }

  /** Resolves when the condition holds. @throws Error if the coordinator ends first */
  async waitUntil(condition: () => boolean): Promise<void> {
    const { child, stdout } = this.coordinator;
    while (!condition()) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`The coordinator ended:\n${stdout()}`);
      await pause(POLL_MS);
    }
  }

  /** Step of the last checkpoint; 0 if there is none. */
  get savedSteps(): number {
    const folder = join(this.out, "checkpoints");
    const names = existsSync(folder) ? readdirSync(folder) : [];
    const steps = names.map((name) => /^step-(\d+)\.safetensors$/.exec(name)?.[1]);
    return Math.max(0, ...steps.flatMap((step) => (step === undefined ? [] : Number(step))));
  }
}
