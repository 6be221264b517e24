/** Describes where the processes of a pair run: their command prefixes and addresses. */
import { execFileSync } from "node:child_process";
import { networkInterfaces } from "node:os";

/** Command prefixes and addresses of the processes of a pair. */
export interface Site {
  /** Command prefix of each of the two workers: its namespace and its core. */
  workers: readonly [readonly string[], readonly string[]];
  /** Command prefix of the coordinator. */
  coordinator: readonly string[];
  /** Address that the coordinator listens on. */
  coordinatorHost: string;
  /** Address that rank 0 of PyTorch listens on. */
  ddpHost: string;
  /** Network interface that gloo uses. */
  ddpInterface: string;
}

/** The cores of the two workers. */
export interface Cores {
  /** Command prefix that pins each worker to one core; empty if that is not possible. */
  pins: readonly [readonly string[], readonly string[]];
  /** Numbers of the two cores. */
  pinned?: [number, number];
  /** Reason why the workers are not pinned. */
  note?: string;
}

/** Chooses a core for each worker, the same for both sides. The coordinator is not pinned. */
export function coresForTwo(): Cores {
  const unpinned = (reason: string): Cores => ({ pins: [[], []], note: `workers are not pinned to cores: ${reason}` });
  let cores: number[];
  try {
    cores = coresOf(execFileSync("taskset", ["-pc", String(process.pid)], { encoding: "utf8", stdio: "pipe" }));
  } catch {
    return unpinned("taskset was not found; install util-linux");
  }
  const [first, second] = cores;
  if (first === undefined || second === undefined) return unpinned("this process has fewer than 2 cores");
  const pin = (core: number) => ["taskset", "-c", String(core)];
  return { pins: [pin(first), pin(second)], pinned: [first, second] };
}

/** Parses the output of taskset: `pid 7's current affinity list: 0,2-4` is 0, 2, 3, 4. */
export function coresOf(tasksetOutput: string): number[] {
  const list = tasksetOutput.trim().split(": ").at(-1) ?? "";
  return list.split(",").flatMap((range) => {
    const [from = Number.NaN, to = from] = range.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
}

/** Returns a site on this machine's loopback interface. */
export function loopbackSite({ pins }: Cores): Site {
  const [loopback] = Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.[0]?.internal) ?? ["lo"];
  const host = "127.0.0.1";
  return { workers: pins, coordinator: [], coordinatorHost: host, ddpHost: host, ddpInterface: loopback };
}
