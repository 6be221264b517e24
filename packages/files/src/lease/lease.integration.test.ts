/** Checks leases between real processes that hold, block, race, die, or have a reused process id. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { defined, spawnForTest } from "@lockstep/testing";
import { expect } from "vitest";
import { elsewhere, failure, type LeaseFolder, SLEEP, slowEnvironment, test } from "../testing/lease-folder.ts";
import { formatLease, ownIdentity } from "./lease-holder.ts";
import { realEnvironment } from "./lease-watch.ts";

/** Starts a process that does nothing, and returns it with its identity as in a lease file. */
async function sleeper(command = [process.execPath, "-e", SLEEP]) {
  const child = spawnForTest(command);
  await once(child.stdout, "data");
  const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
  const startTime = defined(stat.split(") ")[1]?.split(" ")[19], "start time");
  return { child, identity: { ...ownIdentity(), pid: defined(child.pid, "the process id"), startTime } };
}

test("a held lease is refused with its holder and duration, and a released one leaves no file", async ({ folder }) => {
  const { dir, path } = folder;
  const { identity } = await sleeper();
  writeFileSync(path, formatLease(identity, "a", 200_000));
  const message = `^Process ${identity.pid} on ${identity.host} has been writing to ${dir} for 3 min 20 s\\. Wait `;
  await expect(folder.acquire()).rejects.toThrow(failure("ERR_RUN_BUSY", message));
  rmSync(path);
  (await folder.acquire()).release();
  expect(readdirSync(dir)).toEqual([]);
  expect(folder.lines).toEqual([]);
});

test.for(["1", "0\n", "-1", "", "{", "[]", "999999999", `${process.pid}\n`])(
  "a file with the content %j is no held lease",
  async (content, { folder }) => {
    const { path } = folder;
    writeFileSync(path, content);
    await folder.acquire();
    expect(folder.lines).toEqual([]);
  },
);

test.for(["apps/trainer/dist/main.js", "apps/coordinator/src/main.ts"])(
  "a lease of an earlier version is held while its process runs %s, and the error says what to do",
  async (name, { folder }) => {
    const { path } = folder;
    const { child } = await sleeper([process.execPath, folder.programAt(name)]);
    writeFileSync(path, `${child.pid}\n`);
    const text = `^Process ${child.pid}, of an earlier version of Lockstep, seems .* If no run is active, delete ${path}\\.$`;
    await expect(folder.acquire()).rejects.toThrow(failure("ERR_RUN_BUSY", text));
    child.kill("SIGKILL");
    await once(child, "exit");
    await folder.acquire();
  },
);

test.for<[what: string, command: (folder: LeaseFolder) => string[], writtenAt?: number]>([
  ["another Node program", (folder) => [process.execPath, folder.programAt("node_modules/apps/main.js")]],
  ["a program that shows Lockstep's source", (folder) => ["tail", "-f", folder.programAt("apps/trainer/src/main.ts")]],
  [
    "a Lockstep process that started after the file was written",
    (folder) => [process.execPath, folder.programAt("apps/trainer/dist/main.js")],
    1,
  ],
])(
  "a lease of an earlier version is free if its process id belongs to %s",
  async ([, command, writtenAt], { folder }) => {
    const { path } = folder;
    const { child } = await sleeper(command(folder));
    writeFileSync(path, `${child.pid}\n`);
    if (writtenAt !== undefined) utimesSync(path, writtenAt, writtenAt);
    await folder.acquire();
  },
);

test("the lease of a process that was killed on this machine is acquired at once", async ({ folder }) => {
  const { path } = folder;
  const { child, identity } = await sleeper();
  writeFileSync(path, formatLease(identity, "a", 0));
  child.kill("SIGKILL");
  await once(child, "exit");
  await folder.acquire();
  expect(folder.lines).toEqual([]);
});

test("a lease whose process id another process has now is acquired at once", async ({ folder }) => {
  const { path } = folder;
  const { identity } = await sleeper();
  writeFileSync(path, formatLease({ ...identity, startTime: "1" }, "a", 0));
  await folder.acquire();
});

test("a lease from another PID namespace is held while it is renewed, whatever process has its id here", async ({
  folder,
}) => {
  const { dir, path } = folder;
  const { identity } = await sleeper();
  const container = { ...identity, pidNamespace: "pid:[1]", startTime: "1" };
  writeFileSync(path, formatLease(container, "a", 0));
  const renews = (nowMs: number) => nowMs >= 9000 && writeFileSync(path, formatLease(container, "a", 10_000));
  await expect(folder.acquire(slowEnvironment(ownIdentity(), renews))).rejects.toThrow(
    failure("ERR_RUN_BUSY", "for 10 s"),
  );
  expect(folder.lines).toEqual([
    `waiting up to 60 s to see whether process ${identity.pid} on ${identity.host} is still writing to ${dir}`,
  ]);
});

test("a lease that this process released is free even if its file could not be deleted", async ({ folder }) => {
  const { path } = folder;
  const lease = await folder.acquire(realEnvironment());
  const content = readFileSync(path);
  lease.release();
  writeFileSync(path, content);
  await folder.acquire();
});

const SOURCE_FLAGS = ["--import", "tsx", "--conditions=lockstep-source", "--input-type=module", "-e"];
const moduleOf = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);

// Blocks its main thread until the lease's file has been renewed twice, and then ends without a release.
const BLOCKED = `
  import { readFileSync } from "node:fs";
  import { acquireLease } from ${moduleOf("./acquire-lease.ts")};
  import { realEnvironment } from ${moduleOf("./lease-watch.ts")};
  await acquireLease(process.argv[1], "the run", () => {}, realEnvironment(20));
  const seen = new Set();
  while (seen.size < 3) {
    seen.add(readFileSync(process.argv[1], "utf8"));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  }
  process.stdout.write("renewed");
`;

test("a lease is renewed while its holder's main thread is blocked, and does not keep the process alive", async ({
  folder,
}) => {
  const { path } = folder;
  const child = spawnForTest([process.execPath, ...SOURCE_FLAGS, BLOCKED, path]);
  const exited = once(child, "exit");
  expect(String((await once(child.stdout, "data"))[0])).toBe("renewed");
  expect(await exited).toEqual([0, null]);
});

test("a holder whose thread finds another token in the lease file has lost the lease", async ({ folder }) => {
  const { path } = folder;
  const lease = await folder.acquire(realEnvironment(20));
  writeFileSync(path, formatLease(elsewhere("there"), "b", 0));
  await expect(lease.lost).rejects.toThrow(failure("ERR_RUN_TAKEN", "^Process 7 on there took over "));
});

// Each process acquires the lease, holds it, and prints the outcome.
const START = `
  import { acquireLease } from ${moduleOf("./acquire-lease.ts")};
  process.stdout.write("ready ");
  process.stdin.once("data", () =>
    acquireLease(process.argv[1], "the run", () => {}).then(
      () => process.stdout.write("acquired"),
      (error) => process.stdout.write(error.code)));
`;

test("exactly one of several processes that start at once acquires a killed process's lease", async ({ folder }) => {
  const { path } = folder;
  writeFileSync(path, formatLease({ ...ownIdentity(), pid: spawnSync("true").pid, startTime: "1" }, "killed", 0));
  const starts = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const child = spawnForTest([process.execPath, ...SOURCE_FLAGS, START, path]);
      await once(child.stdout, "data");
      return child;
    }),
  );
  const outcomes = starts.map(async (child) => String((await once(child.stdout, "data"))[0]));
  for (const { stdin } of starts) stdin.write("go");
  expect((await Promise.all(outcomes)).sort()).toEqual(["ERR_RUN_BUSY", "ERR_RUN_BUSY", "ERR_RUN_BUSY", "acquired"]);
  expect(existsSync(`${path}.new`)).toBe(false);
});
