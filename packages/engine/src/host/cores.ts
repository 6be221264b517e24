/** Counts the cores that this process may use. With more threads than its CPU quota allows, they would stall. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** The CPU cores of this process. */
export interface Cores {
  /** Cores that the process can keep busy; at least 1. */
  usable: number;
  /** Cores that the process may run on. */
  present: number;
  /** CPU quota of the control groups in cores, if it is below `present`. */
  quota?: number;
}

/** Returns the text of a file, or undefined if it cannot be read. */
export type ReadText = (path: string) => string | undefined;

/** Counts the cores that this process may use: those it may run on, at most the whole cores in its CPU quota. */
export function usableCores(present: number = availableParallelism(), read: ReadText = readText): Cores {
  const quota = cpuQuota(read);
  if (quota >= present) return { usable: present, present };
  return { usable: Math.max(1, Math.floor(quota)), present, quota };
}

/** Describes cores: "1 of 4 cores (CPU quota: 1.5 cores)". */
export function describeCores({ usable, present, quota }: Cores): string {
  return quota === undefined ? `${present} cores` : `${usable} of ${present} cores ${describeQuota(quota)}`;
}

/** Describes the quota, as the reason for a number before it: "(CPU quota: 1.5 cores)". */
export function describeQuota(quota: number): string {
  return `(CPU quota: ${Number(quota.toFixed(2))} cores)`;
}

/**
 * Returns the smallest quota, in cores, of the process's control group and its ancestors. In a container the path may
 * be the host's and not exist; the container's own group is then at the mount's root.
 */
function cpuQuota(read: ReadText): number {
  const lines = read("/proc/self/cgroup")?.trim().split("\n") ?? [];
  const quotas = lines.flatMap((line) => {
    const [, controllers = "", path = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === "") return groupsAround(path).map((group) => unifiedQuota(read, `/sys/fs/cgroup${group}`));
    if (!controllers.split(",").includes("cpu")) return [];
    return ["cpu", controllers].flatMap((mount) =>
      groupsAround(path).map((group) => legacyQuota(read, `/sys/fs/cgroup/${mount}${group}`)),
    );
  });
  return Math.min(Number.POSITIVE_INFINITY, ...quotas);
}

/** Lists a group and its ancestors: "/a/b" → "/a/b", "/a", "". */
function groupsAround(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  return Array.from({ length: names.length + 1 }, (_, up) =>
    names
      .slice(0, names.length - up)
      .map((name) => `/${name}`)
      .join(""),
  );
}

/** Reads a quota of cgroup version 2: "150000 100000" or "max 100000". */
function unifiedQuota(read: ReadText, group: string): number {
  const [quota = "max", period] = read(`${group}/cpu.max`)?.trim().split(" ") ?? [];
  return quota === "max" ? Number.POSITIVE_INFINITY : Number(quota) / Number(period);
}

/** Reads a quota of cgroup version 1, which is -1 if there is none. */
function legacyQuota(read: ReadText, group: string): number {
  const quota = Number(read(`${group}/cpu.cfs_quota_us`) ?? -1);
  return quota > 0 ? quota / Number(read(`${group}/cpu.cfs_period_us`)) : Number.POSITIVE_INFINITY;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
