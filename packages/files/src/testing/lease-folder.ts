/** For tests: a folder with a lease, and environments in which no time needs to pass. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { temporaryFolder } from "@lockstep/testing";
import { test as base, expect, onTestFinished } from "vitest";
import { acquireLease } from "../lease/acquire-lease.ts";
import type { Lease } from "../lease/lease.ts";
import type { ProcessIdentity } from "../lease/lease-holder.ts";
import type { LeaseEnvironment } from "../lease/lease-watch.ts";

/** A process on another machine: without a boot id and start time, no other process can know whether it is alive. */
export const elsewhere = (host: string): ProcessIdentity => ({ host, pid: 7 });

/** A program that prints a word and then does nothing. */
export const SLEEP = `process.stdout.write("here"); setInterval(() => {}, 1e6)`;

/** The folder and the file of a lease, and the lines that were logged. */
export class LeaseFolder {
  readonly dir = temporaryFolder();
  readonly path = join(this.dir, "run.pid");
  readonly lines: string[] = [];

  /** Acquires the lease until the end of the test. */
  async acquire(environment?: LeaseEnvironment): Promise<Lease> {
    const lease = await acquireLease(this.path, this.dir, (line) => this.lines.push(line), environment);
    onTestFinished(() => lease.release());
    return lease;
  }

  /** Writes a program with this path in the folder, which does nothing. */
  programAt(name: string): string {
    const program = join(this.dir, name);
    mkdirSync(dirname(program), { recursive: true });
    writeFileSync(program, SLEEP);
    return program;
  }
}

/** Vitest's `test` with the fixture `folder`. */
export const test = base.extend("folder", () => new LeaseFolder());

/**
 * Returns an environment whose clock moves only during a pause; `meanwhile` is called then
 * with the milliseconds passed.
 */
export function slowEnvironment(
  own: ProcessIdentity = elsewhere("here"),
  meanwhile: (nowMs: number) => void = () => {},
): LeaseEnvironment {
  let now = 1e9;
  const pause = async (ms: number) => {
    now += ms;
    meanwhile(now - 1e9);
  };
  const never = { renewMs: 10_000, keepRenewing: () => () => {} };
  return { own, nowMs: () => now, wallMs: () => now, pause, ...never };
}

/** Matches an error with this code whose message matches. */
export const failure = (code: string, message: string | RegExp): Error =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });
