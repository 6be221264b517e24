/**
 * A lease: a file that says which process may write to a folder. The holder renews it; one that is not renewed is
 * taken over. It works between machines that share the folder, and needs no clocks that agree.
 *
 * A lease is taken as Git takes its locks: `<file>.new` is made, which only one process can do at a time, and gets its
 * name if the lease is still what it was when it was judged.
 */
import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { LockstepError } from "@lockstep/errors";
import { removeIfPossible, unlessRefused } from "./best-effort.ts";
import { durationOf } from "./duration.ts";
import { explainWriteError } from "./explain-write-error.ts";
import { formatLease, parseLease } from "./lease-holder.ts";
import { heldHere, LeaseWatch, type LeaseWorld, readIfThere, realWorld, STALE_MS } from "./lease-watch.ts";

const RENEW_MS = 10_000;
/** How often a lease is looked at that may be stale. */
const LOOK_MS = 1000;
/** How long to wait for a process that takes the lease at this moment. */
const TAKING_MS = 20;

/**
 * Takes the lease of a folder. Where only time can tell whether its holder is alive, it says so in a line and waits.
 *
 * @param path the lease's file
 * @param dir the folder, for messages
 * @throws LockstepError ERR_RUN_BUSY if another process holds it; ERR_DISK_FULL or ERR_NOT_WRITABLE
 */
export async function takeLease(
  path: string,
  dir: string,
  say: (line: string) => void,
  world: LeaseWorld = realWorld(),
): Promise<Lease> {
  const lease = new Lease(path, dir, world);
  const watch = new LeaseWatch(world);
  const watchOfTaking = new LeaseWatch(world);
  for (let told = false; ; ) {
    const found = readLease(path);
    const state = watch.judge(found);
    if (state === "held") throw busy(found!, dir);
    if (state === "free") {
      if (lease.put(found)) return lease;
      const taking = readIfThere(takingFile(path));
      if (taking !== undefined && watchOfTaking.isUnchanged(taking)) removeIfPossible(takingFile(path));
      await world.pause(TAKING_MS);
    } else {
      if (!told) say(`waiting up to ${STALE_MS / 1000} s to see whether ${holderIn(found!)} still writes to ${dir}`);
      told = true;
      await world.pause(LOOK_MS);
    }
  }
}

/**
 * Takes the lease of a folder as `takeLease` does, once the process that holds it is done. It says in a line for which
 * process it waits.
 *
 * @throws LockstepError ERR_DISK_FULL or ERR_NOT_WRITABLE
 */
export async function awaitLease(
  path: string,
  dir: string,
  say: (line: string) => void,
  world: LeaseWorld = realWorld(),
): Promise<Lease> {
  for (let told = false; ; told = true) {
    try {
      return await takeLease(path, dir, say, world);
    } catch (error) {
      if (!(error instanceof LockstepError) || error.code !== "ERR_RUN_BUSY") throw error;
      if (!told) say(`waiting for another process: ${error.message}`);
    }
    await world.pause(LOOK_MS);
  }
}

/**
 * Makes sure that no process is known to hold the lease of a folder, without waiting to find out.
 *
 * @throws LockstepError ERR_RUN_BUSY
 */
export function expectNoHolder(path: string, dir: string): void {
  const found = readLease(path);
  if (new LeaseWatch(realWorld()).judge(found) === "held") throw busy(found!, dir);
}

function readLease(path: string): string | undefined {
  try {
    return readIfThere(path);
  } catch (error) {
    throw explainWriteError(path, 0, error);
  }
}

const takingFile = (path: string) => `${path}.new`;

/** A lease that this process holds. */
export class Lease {
  /** Rejects with ERR_RUN_TAKEN when another process is found to have taken the lease. */
  readonly lost: Promise<never>;
  readonly #path: string;
  readonly #dir: string;
  readonly #world: LeaseWorld;
  readonly #token = randomUUID();
  #takenAtMs: number | undefined;
  /** By the clock on the wall. */
  #renewedAtMs = 0;
  #renewing: NodeJS.Timeout | undefined;
  #loss: LockstepError | undefined;
  #tellLoss: (loss: LockstepError) => void = () => {};

  constructor(path: string, dir: string, world: LeaseWorld) {
    this.#path = path;
    this.#dir = dir;
    this.#world = world;
    this.lost = new Promise((_, reject) => (this.#tellLoss = reject));
    this.lost.catch(() => {}); // whoever waits for it hears of it
  }

  /**
   * Puts the lease in the place of what was found there.
   *
   * @returns whether it is there; if not, another process was quicker
   */
  put(found: string | undefined): boolean {
    const content = this.#content();
    if (!replaceFile(this.#path, found, content)) return false;
    heldHere.add(this.#token);
    this.#renewedAtMs = this.#world.wallMs();
    this.#renewing ??= setInterval(() => this.#renew(), RENEW_MS).unref();
    return true;
  }

  /**
   * Makes sure that the folder is still this process's, before it writes there.
   *
   * @throws LockstepError ERR_RUN_TAKEN
   */
  expectHeld(): void {
    if (this.#world.wallMs() - this.#renewedAtMs > RENEW_MS) this.#renew(); // the process or its machine was suspended
    if (this.#loss !== undefined) throw this.#loss;
  }

  /** Frees the folder, if it is still this process's. */
  release(): void {
    clearInterval(this.#renewing);
    heldHere.delete(this.#token);
    unlessRefused(() => {
      if (this.#isOwn(readIfThere(this.#path))) removeIfPossible(this.#path);
    });
  }

  /** Where the disk fails, the next renewal may do. */
  #renew(): void {
    try {
      const found = rewriteFile(this.#path, (content) => (this.#isOwn(content) ? this.#content() : undefined));
      if (found === undefined)
        this.put(undefined); // somebody deleted the file, and nobody took the lease
      else if (!this.#isOwn(found)) this.#lose(found);
      this.#renewedAtMs = this.#world.wallMs();
    } catch (error) {
      if (!(error instanceof LockstepError) && (error as NodeJS.ErrnoException).errno === undefined) throw error;
    }
  }

  #lose(found: string): void {
    clearInterval(this.#renewing);
    this.#loss ??= new LockstepError(
      "ERR_RUN_TAKEN",
      `${capitalised(holderIn(found))} has taken ${this.#dir}, as this process did not renew its lease for ${STALE_MS / 1000} s: it was suspended, or the disk did not answer. This process writes nothing there any more; the other one goes on from the last checkpoint.`,
    );
    this.#tellLoss(this.#loss);
  }

  #content(): string {
    const nowMs = this.#world.nowMs();
    this.#takenAtMs ??= nowMs;
    return formatLease(this.#world.own, this.#token, nowMs - this.#takenAtMs);
  }

  #isOwn(content: string | undefined): boolean {
    return content !== undefined && parseLease(content)?.token === this.#token;
  }
}

/**
 * Replaces a file whose content is `found` (undefined: there is none), whole or not at all.
 *
 * @returns false if another process replaces it now, or has done so
 * @throws LockstepError ERR_DISK_FULL or ERR_NOT_WRITABLE
 */
function replaceFile(path: string, found: string | undefined, content: string): boolean {
  const taking = takingFile(path);
  let file: number;
  try {
    file = openSync(taking, "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw explainWriteError(path, content.length, error);
  }
  try {
    try {
      writeSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (readIfThere(path) === found) renameSync(taking, path);
    else removeIfPossible(taking);
    return readIfThere(path) === content;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false; // it took so long that others removed it
    removeIfPossible(taking);
    throw explainWriteError(path, content.length, error);
  }
}

/**
 * Writes over a file in place. If the file is replaced meanwhile, what was written goes with the old one.
 *
 * @param rewrite is given the content, and gives one of the same length, or undefined to leave it
 * @returns the content before; undefined if there is no such file
 */
function rewriteFile(path: string, rewrite: (content: string) => string | undefined): string | undefined {
  let file: number;
  try {
    file = openSync(path, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const content = readFileSync(file, "utf8");
    const next = rewrite(content);
    if (next !== undefined) writeSync(file, next, 0);
    return content;
  } finally {
    closeSync(file);
  }
}

function busy(content: string, dir: string): LockstepError {
  const lease = parseLease(content)!;
  const age = lease.token === undefined ? "" : ` for ${durationOf(Number(lease.heldMs) / 1000)}`;
  const text = `${capitalised(holderIn(content))} has been writing to ${dir}${age}. Wait for it, or stop it.`;
  return new LockstepError("ERR_RUN_BUSY", text);
}

/** `process 12 on host-a` */
function holderIn(content: string): string {
  const lease = parseLease(content);
  if (lease === undefined) return "something else";
  return lease.token === undefined
    ? `process ${lease.pid}, of an earlier version of Lockstep,`
    : `process ${lease.pid} on ${lease.host}`;
}

const capitalised = (text: string) => text[0]!.toUpperCase() + text.slice(1);
