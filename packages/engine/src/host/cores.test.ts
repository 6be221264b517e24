/** Checks CPU quotas of both versions of cgroups, from files that the test invents. */
import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { describeEngine } from "../backend/engine.ts";
import { describeCores, usableCores } from "./cores.ts";

/** Counts the cores on a machine of 8 cores with only these files. */
const coresWith = (files: Record<string, string>) => usableCores(8, (path) => files[path]);
const V2 = { "/proc/self/cgroup": "0::/pod/box\n" };
const V1 = { "/proc/self/cgroup": "7:memory:/x\n4:cpu,cpuacct:/pod/box\n0::/\n" };

test.each([
  ["of cgroup version 2", { ...V2, "/sys/fs/cgroup/pod/box/cpu.max": "250000 100000\n" }, 2],
  [
    "of a parent group",
    { ...V2, "/sys/fs/cgroup/pod/box/cpu.max": "max 100000\n", "/sys/fs/cgroup/pod/cpu.max": "300000 100000\n" },
    3,
  ],
  ["of a container with the host's path", { ...V2, "/sys/fs/cgroup/cpu.max": "100000 50000\n" }, 2],
  ["of less than one core", { ...V2, "/sys/fs/cgroup/pod/box/cpu.max": "20000 100000\n" }, 1],
  ["that is unlimited", { ...V2, "/sys/fs/cgroup/pod/box/cpu.max": "max 100000\n" }, 8],
  ["of more than the machine has", { ...V2, "/sys/fs/cgroup/pod/box/cpu.max": "6400000 100000\n" }, 8],
  [
    "of cgroup version 1",
    {
      ...V1,
      "/sys/fs/cgroup/cpu/pod/box/cpu.cfs_quota_us": "400000\n",
      "/sys/fs/cgroup/cpu/pod/box/cpu.cfs_period_us": "100000\n",
    },
    4,
  ],
  [
    "of version 1 under both names",
    {
      ...V1,
      "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
      "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "10000\n",
    },
    5,
  ],
  [
    "of version 1 that is unlimited",
    {
      ...V1,
      "/sys/fs/cgroup/cpu/pod/box/cpu.cfs_quota_us": "-1\n",
      "/sys/fs/cgroup/cpu/pod/box/cpu.cfs_period_us": "100000\n",
    },
    8,
  ],
  ["without control groups", {}, 8],
])("the usable cores with a CPU quota %s", (_, files, usable) => {
  expect(coresWith(files).usable).toBe(usable);
});

test("the engine's line and the doctor show the CPU quota", () => {
  const limited = coresWith({ ...V2, "/sys/fs/cgroup/pod/box/cpu.max": "150000 100000\n" });
  expect(describeCores(limited)).toBe("1 of 8 cores (CPU quota: 1.5 cores)");
  expect(describeCores(coresWith({}))).toBe("8 cores");
  const engine = {
    backend: "native" as const,
    device: { kind: "cpu" as const, name: "EPYC" },
    libraryVersion: "2.21.0",
  };
  expect(describeEngine({ ...engine, instructionSet: "AVX2", threads: 1, quota: 1.5, skipped: [] })).toBe(
    "engine: native TensorFlow 2.21.0, CPU EPYC (AVX2), 1 thread (CPU quota: 1.5 cores)",
  );
});

test("this machine has at most as many usable cores as Node counts", () => {
  expect(usableCores().usable).toBeLessThanOrEqual(availableParallelism());
});
