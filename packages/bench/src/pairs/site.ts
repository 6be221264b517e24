/** Where the processes of a pair run: what stands before their commands, and the addresses. */
import { execFileSync } from "node:child_process";
import { networkInterfaces } from "node:os";

export interface Site {
  /** The words that put a command on the machine, and core, of each of the two workers. */
  workers: readonly [readonly string[], readonly string[]];
  coordinator: readonly string[];
  /** Where the coordinator listens. */
  coordinatorHost: string;
  /** Where rank 0 of PyTorch listens. */
  ddpHost: string;
  /** Network interface that gloo uses. */
  ddpInterface: string;
}

export interface Cores {
  /** The words that keep a command on one core; none if that can't be done here. */
  pins: readonly [readonly string[], readonly string[]];
  /** The two cores. */
  pinned?: [number, number];
  /** Why the workers are not pinned. */
  note?: string;
}

/** A core for each worker, the same for both sides; the coordinator goes where there is room. */
export function coresForTwo(): Cores {
  const loose = (reason: string): Cores => ({ pins: [[], []], note: `workers are not pinned to cores: ${reason}` });
  let cores: number[];
  try {
    cores = coresOf(execFileSync("taskset", ["-pc", String(process.pid)], { encoding: "utf8", stdio: "pipe" }));
  } catch {
    return loose("there is no taskset; install util-linux");
  }
  const [first, second] = cores;
  if (first === undefined || second === undefined) return loose("this process has fewer than 2 cores");
  const pin = (core: number) => ["taskset", "-c", String(core)];
  return { pins: [pin(first), pin(second)], pinned: [first, second] };
}

/** `pid 7's current affinity list: 0,2-4` → 0, 2, 3, 4 */
export function coresOf(tasksetOutput: string): number[] {
  const list = tasksetOutput.trim().split(": ").at(-1)!;
  return list.split(",").flatMap((range) => {
    const [from, to = from] = range.split("-").map(Number);
    return Array.from({ length: to! - from! + 1 }, (_, index) => from! + index);
  });
}

/** Everything on this machine, over its loopback. */
export function loopbackSite({ pins }: Cores): Site {
  const [loopback] = Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.[0]?.internal) ?? ["lo"];
  const host = "127.0.0.1";
  return { workers: pins, coordinator: [], coordinatorHost: host, ddpHost: host, ddpInterface: loopback };
}
