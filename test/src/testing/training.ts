/** A training of several processes on loopback, for tests: a coordinator, and workers that come and go. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { currentOwner } from "@lockstep/testing";
import { type Running, start } from "./program.ts";
import { stepsOf } from "./undisturbed.ts";

/** How often the rows are looked at. */
const POLL_MS = 20;
/** Workers may call it by the port of another process, that leads to it. */
const ALLOW_PROXY = ["--allow-host", "127.0.0.1"];

export interface WorkerOptions {
  /** Where it looks for the coordinator. @default straight where it listens */
  url?: string;
  options?: string[];
  env?: NodeJS.ProcessEnv;
}

export class Training {
  readonly out: string;
  coordinator: Running;
  port = 0;
  /** Its processes end with the test that began it, and not with the one in which they come. */
  readonly #owner = currentOwner();

  private constructor(out: string, coordinator: Running) {
    this.out = out;
    this.coordinator = coordinator;
  }

  static async start(options: string[], out: string): Promise<Training> {
    const training = new Training(out, start(["coordinator", ...options, ...ALLOW_PROXY, "--port", "0", "--out", out]));
    await training.#listens();
    return training;
  }

  /** Starts a coordinator again, on the port of the one that is gone. */
  async resume(options: string[]): Promise<void> {
    const listenOptions = ["--port", String(this.port), "--resume", this.out];
    this.coordinator = start(["coordinator", ...options, ...ALLOW_PROXY, ...listenOptions], {}, [], this.#owner);
    await this.#listens();
  }

  async #listens(): Promise<void> {
    await this.coordinator.prints(/pnpm worker --coordinator .*\n/);
    this.port = Number(/ws:\/\/127.0.0.1:(\d+)/.exec(this.coordinator.stdout())![1]);
  }

  /** Starts a worker, and resolves when the coordinator may take it. */
  async worker(name: string, { url, options = [], env }: WorkerOptions = {}): Promise<Running> {
    const listenOptions = ["--coordinator", url ?? `ws://127.0.0.1:${this.port}`];
    const worker = start(
      ["worker", ...listenOptions, "--threads", "1", "--name", name, ...options],
      env,
      [],
      this.#owner,
    );
    await worker.prints("joined");
    return worker;
  }

  /** Updates that have their rows: counted, not read, since it is looked at often. */
  get steps(): number {
    const path = join(this.out, "metrics.jsonl");
    return existsSync(path) ? (readFileSync(path, "utf8").match(/^{"type":"step".*\n/gm) ?? []).length : 0;
  }

  /** Resolves when that many steps more have been taken. */
  async advances(steps: number): Promise<void> {
    const target = this.steps + steps;
    await this.waitUntil(() => this.steps >= target);
  }

  /** Resolves when a worker has computed slices of a step that is yet to come. */
  async assignsSlicesTo(name: string): Promise<void> {
    const before = this.steps;
    const did = () =>
      stepsOf(this.out)
        .slice(before)
        .flatMap(({ workers }) => workers!);
    await this.waitUntil(() => did().some((worker) => worker.name === name && worker.samples > 0));
  }

  /** Resolves when no step has ended for so long. */
  async stalls(ms: number): Promise<void> {
    let [steps, sinceMs] = [this.steps, performance.now()];
    await this.waitUntil(() => {
      if (this.steps !== steps) [steps, sinceMs] = [this.steps, performance.now()];
      return performance.now() - sinceMs > ms;
    });
  }

  /** @throws if the coordinator ends first */
  async waitUntil(condition: () => boolean): Promise<void> {
    const { child, stdout } = this.coordinator;
    while (!condition()) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`The coordinator ended:\n${stdout()}`);
      await pause(POLL_MS);
    }
  }

  /** Updates of the last checkpoint; 0 if there is none. */
  get savedSteps(): number {
    const folder = join(this.out, "checkpoints");
    const names = existsSync(folder) ? readdirSync(folder) : [];
    const steps = names.map((name) => /^step-(\d+)\.safetensors$/.exec(name)?.[1]);
    return Math.max(0, ...steps.flatMap((step) => (step === undefined ? [] : Number(step))));
  }
}
