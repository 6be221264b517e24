/** Reads and writes lease files, and checks whether the holder's process is alive. */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { basename } from "node:path";
import { at } from "@lockstep/errors";
import { z } from "zod";
import { hasCode } from "../system-error.ts";
import { formatHeldMs } from "./renew-lease.ts";

const processSchema = z.object({
  host: z.string(),
  pid: z.int(),
  /** This field and the next two identify one process for good, even after a reboot; absent where there is no /proc. */
  bootId: z.string().optional(),
  pidNamespace: z.string().optional(),
  startTime: z.string().optional(),
});
const holderSchema = processSchema.extend({
  /** Identifies this lease among all leases. */
  token: z.string(),
  /**
   * Milliseconds held, by the holder's own clock. The text has a fixed length, so that a renewal replaces it in place.
   */
  heldMs: z.string().regex(/^\d+$/),
});

/** The facts by which other processes recognize a process. */
export type ProcessIdentity = z.infer<typeof processSchema>;
/** The holder of a lease, as its file describes it. */
export type LeaseHolder = z.infer<typeof holderSchema>;
/** The holder in a lease file that an earlier version of Lockstep wrote. */
export interface LegacyHolder {
  pid: number;
  token?: undefined;
}

/** Returns the content of a lease file. Its length depends on the holder only, not on `heldMs`. */
export function formatLease(identity: ProcessIdentity, token: string, heldMs: number): string {
  const holder: LeaseHolder = {
    ...identity,
    token,
    heldMs: formatHeldMs(heldMs),
  };
  return `${JSON.stringify(holder, undefined, 2)}\n`;
}

/**
 * Parses the content of a lease file. Earlier versions wrote only the holder's process id.
 *
 * @returns undefined for any other content, which counts as a free lease
 */
export function parseLease(text: string): LeaseHolder | LegacyHolder | undefined {
  if (/^\d+\n?$/.test(text)) return { pid: Number(text) };
  try {
    return holderSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Returns the identity of this process. */
export function ownIdentity(): ProcessIdentity {
  const identity = { host: hostname(), pid: process.pid };
  try {
    if (readlinkSync("/proc/self") !== String(process.pid)) return identity; // /proc belongs to another PID namespace
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
 * Returns whether the holder's process is running. Only a process on the same machine, in the same boot and in the same
 * PID namespace can know.
 *
 * @returns undefined if this process cannot know
 */
export function isRunning(holder: ProcessIdentity, own: ProcessIdentity): boolean | undefined {
  const isSameSystem = (["host", "bootId", "pidNamespace"] as const).every(
    (name) => own[name] !== undefined && own[name] === holder[name],
  );
  if (!isSameSystem) return undefined;
  if (!hasProcess(holder.pid)) return false;
  try {
    const { startTime, state } = statOf(holder.pid);
    return startTime === holder.startTime && state !== "Z" && state !== "X";
  } catch {
    return undefined; // another user's process, whose folder in /proc is hidden
  }
}

/**
 * Returns whether the process id in a file of an earlier version belongs to a run on this machine: to a process that
 * runs Lockstep and started before the file was written. Returns true if this process cannot know.
 */
export function isRunningLockstep(pid: number, writtenAtMs: number): boolean {
  if (pid <= 1 || pid === process.pid || !hasProcess(pid)) return false;
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return isLockstep(command) && startedAtMs(pid) <= writtenAtMs;
  } catch {
    return true; // there is no /proc here, or it hides the processes of other users
  }
}

/** Paths of the programs that train, from sources or built. */
const PROGRAM = /(^|[/\\])apps[/\\](trainer|coordinator)[/\\](src[/\\]main\.ts|dist[/\\]main\.js)$/;

function isLockstep([program = "", ...parameters]: readonly string[]): boolean {
  return /^node(js)?$/.test(basename(program)) && parameters.some((parameter) => PROGRAM.test(parameter));
}

/** Returns the wall-clock time at which a process started. */
function startedAtMs(pid: number): number {
  const upSeconds = Number.parseFloat(readFileSync("/proc/uptime", "utf8"));
  return Date.now() - (upSeconds - Number(statOf(pid).startTime) / TICKS_PER_SECOND) * 1000;
}

/** The unit of times in Linux's /proc, which does not depend on the kernel's timer frequency. */
const TICKS_PER_SECOND = 100;

function hasProcess(pid: number): boolean {
  try {
    return process.kill(pid, 0); // signal 0 only checks that the process exists
  } catch (error) {
    return hasCode(error, "EPERM"); // it exists, but belongs to another user
  }
}

/** Returns the state of a process, and its start time in ticks since the boot. */
function statOf(pid: number): { state: string; startTime: string } {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The program's name, in parentheses before these fields, may contain any character.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: at(fields, 0), startTime: at(fields, 19) };
}
