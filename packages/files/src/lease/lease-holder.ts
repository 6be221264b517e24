/** Reads and writes lease files, and checks whether the holder's process is alive. */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { basename } from "node:path";
import { z } from "zod";
import { formatHeldMs } from "./renew-lease.ts";

const processSchema = z.object({
  host: z.string(),
  pid: z.int(),
  /** The three that name one process for ever, in one start of one machine; absent where there is no /proc. */
  bootId: z.string().optional(),
  pidNamespace: z.string().optional(),
  startTime: z.string().optional(),
});
const holderSchema = processSchema.extend({
  /** Names this lease among all. */
  token: z.string(),
  /** Grows with each renewal, by the holder's own clock. The text keeps its length, so that it is replaced in place. */
  heldMs: z.string().regex(/^\d+$/),
});

/** A process as another one can recognise it. */
export type ProcessIdentity = z.infer<typeof processSchema>;
/** A holder as its lease file names it. */
export type LeaseHolder = z.infer<typeof holderSchema>;
/** The holder in a lease file of an earlier version. */
export interface LegacyHolder {
  pid: number;
  token?: undefined;
}

/** The content of a lease's file. It always has the same length for one holder. */
export function formatLease(identity: ProcessIdentity, token: string, heldMs: number): string {
  const holder: LeaseHolder = {
    ...identity,
    token,
    heldMs: formatHeldMs(heldMs),
  };
  return `${JSON.stringify(holder, undefined, 2)}\n`;
}

/**
 * Reads the content of a lease's file. A bare number is what earlier versions wrote: the holder's process id.
 *
 * @returns undefined for what is neither, which nobody holds
 */
export function parseLease(text: string): LeaseHolder | LegacyHolder | undefined {
  if (/^\d+\n?$/.test(text)) return { pid: Number(text) };
  try {
    return holderSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** The identity of this process. */
export function ownIdentity(): ProcessIdentity {
  const identity = { host: hostname(), pid: process.pid };
  try {
    if (readlinkSync("/proc/self") !== String(process.pid)) return identity; // /proc shows another PID namespace
    return {
      ...identity,
      bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
      pidNamespace: readlinkSync("/proc/self/ns/pid"),
      startTime: statOf(process.pid).startTime,
    };
  } catch {
    return identity;
  }
}

/**
 * Tells whether the process of a holder runs. Only a process of the same machine, in the same start of it and in the
 * same PID namespace can tell.
 *
 * @returns undefined if this process cannot tell
 */
export function isRunning(holder: ProcessIdentity, own: ProcessIdentity): boolean | undefined {
  const alike = (["host", "bootId", "pidNamespace"] as const).every(
    (name) => own[name] !== undefined && own[name] === holder[name],
  );
  if (!alike) return undefined;
  if (!hasProcess(holder.pid)) return false;
  try {
    const { startTime, state } = statOf(holder.pid);
    return startTime === holder.startTime && state !== "Z" && state !== "X";
  } catch {
    return undefined; // somebody else's process, whose folder in /proc is hidden
  }
}

/**
 * Tells whether the process id in the file of an earlier version is that of a training on this machine: a process that
 * runs Lockstep, and did so already when the file was written. Where nobody can tell, it is.
 */
export function isRunningLockstep(pid: number, writtenAtMs: number): boolean {
  if (pid <= 1 || pid === process.pid || !hasProcess(pid)) return false;
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return isLockstep(words) && startedAtMs(pid) <= writtenAtMs;
  } catch {
    return true; // there is no /proc here to ask, or it hides the processes of others
  }
}

/** The programs that train, as they are started from their sources or from what was built of them. */
const PROGRAM = /(^|[/\\])apps[/\\](trainer|coordinator)[/\\](src[/\\]main\.ts|dist[/\\]main\.js)$/;

function isLockstep([program = "", ...rest]: readonly string[]): boolean {
  return /^node(js)?$/.test(basename(program)) && rest.some((word) => PROGRAM.test(word));
}

/** Returns when a process started, by the clock on the wall. */
function startedAtMs(pid: number): number {
  const upSeconds = Number.parseFloat(readFileSync("/proc/uptime", "utf8"));
  return Date.now() - (upSeconds - Number(statOf(pid).startTime) / TICKS_PER_SECOND) * 1000;
}

/** Linux counts in /proc with this unit, whatever its timer does. */
const TICKS_PER_SECOND = 100;

function hasProcess(pid: number): boolean {
  try {
    return process.kill(pid, 0); // asks only whether it is there
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // there, but somebody else's
  }
}

/** The state of a process, and when it started, in ticks since the machine did. */
function statOf(pid: number): { state: string; startTime: string } {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" "); // the name before them may hold anything
  return { state: fields[0]!, startTime: fields[19]! };
}
