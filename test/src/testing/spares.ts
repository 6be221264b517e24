/** Workers that wait to be needed. */
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { launch, type Running } from "./program.ts";

const program = fileURLToPath(new URL("../../dist/testing/spare-worker.js", import.meta.url));

const LOOK_MS = 5;

export class Spare {
  readonly process: Running;
  #runs = 0;

  constructor() {
    this.process = launch([process.execPath, program]);
  }

  /** Resolves when it has its engine, and takes part in no run any more. */
  ready(): Promise<void> {
    return this.process.prints(`spare ${this.#runs}\n`);
  }

  join(name: string, url: string): void {
    this.#runs++;
    this.process.child.stdin!.write(`${name} ${url}\n`);
  }

  /** What it holds; `tensors` while it computes are more. */
  async memory(): Promise<{ tensors: number; rssBytes: number }> {
    const told = () => this.process.stdout().match(/^memory .*\n/gm) ?? [];
    const before = told().length;
    this.process.child.stdin!.write("memory\n");
    while (told().length === before) await pause(LOOK_MS);
    return JSON.parse(told().at(-1)!.slice("memory ".length)) as { tensors: number; rssBytes: number };
  }
}

export class Spares {
  readonly #waiting: Spare[];

  /** @param count how many are kept ready */
  constructor(count: number) {
    this.#waiting = Array.from({ length: count }, () => new Spare());
  }

  /** The next that is ready; another one is started in its place if it does not come back. */
  async take(): Promise<Spare> {
    const spare = this.#waiting.shift() ?? new Spare();
    await spare.ready();
    return spare;
  }

  /** Takes one back that has left its run. */
  giveBack(spare: Spare): void {
    this.#waiting.push(spare);
  }

  /** One was killed. */
  replace(): void {
    this.#waiting.push(new Spare());
  }
}
