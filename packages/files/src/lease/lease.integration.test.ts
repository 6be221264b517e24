import { spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { defined, spawnForTest } from "@lockstep/testing";
import { test as base, expect } from "vitest";
import { acquireLease, awaitLease } from "./acquire-lease.ts";
import type { Lease } from "./lease.ts";
import { formatLease, ownIdentity } from "./lease-holder.ts";
import { type LeaseEnvironment, realEnvironment } from "./lease-watch.ts";
import { renewOnThread } from "./renewing-thread.ts";

/** A process on another machine: without a boot id and start time, no other process can know whether it is alive. */
const elsewhere = (host: string) => ({ host, pid: 7 });

const SLEEP = `process.stdout.write("here"); setInterval(() => {}, 1e6)`;

/** The folder and the file of a lease, the lines that were logged, and what to end after the test. */
class LeaseFolder {
  readonly dir = mkdtempSync(join(tmpdir(), "lockstep-lease-"));
  readonly path = join(this.dir, "run.pid");
  readonly lines: string[] = [];
  readonly ends: (() => void)[] = [];

  async acquire(environment?: LeaseEnvironment): Promise<Lease> {
    const lease = await acquireLease(this.path, this.dir, (line) => this.lines.push(line), environment);
    this.ends.push(() => lease.release());
    return lease;
  }

  /** Writes a program with this path in the folder, which does nothing. */
  programAt(name: string): string {
    const program = join(this.dir, name);
    mkdirSync(dirname(program), { recursive: true });
    writeFileSync(program, SLEEP);
    return program;
  }

  remove(): void {
    for (const end of this.ends) end();
    rmSync(this.dir, { recursive: true });
  }
}

const test = base.extend<{ folder: LeaseFolder }>({
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads a fixture's needs from this pattern
  folder: async ({}, use) => {
    const folder = new LeaseFolder();
    await use(folder);
    folder.remove();
  },
});

/** An environment whose clock moves only during a pause; `meanwhile` is called then with the milliseconds passed. */
function slowEnvironment(own = elsewhere("here"), meanwhile: (nowMs: number) => void = () => {}): LeaseEnvironment {
  let now = 1e9;
  const pause = async (ms: number) => {
    now += ms;
    meanwhile(now - 1e9);
  };
  const never = { renewMs: 10_000, keepRenewing: () => () => {} };
  return { own, nowMs: () => now, wallMs: () => now, pause, ...never };
}

const failure = (code: string, message: string | RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

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

test("a lease of another machine is taken over after 60 s without a renewal, by the observer's clock", async ({
  folder,
}) => {
  const { dir, path } = folder;
  writeFileSync(path, formatLease(elsewhere("there"), "a", 1e12));
  let waitedMs = 0;
  await folder.acquire(slowEnvironment(elsewhere("here"), (nowMs) => (waitedMs = nowMs)));
  expect(waitedMs).toBe(60_000);
  expect(folder.lines).toEqual([`waiting up to 60 s to see whether process 7 on there is still writing to ${dir}`]);
  expect(readFileSync(path, "utf8")).toContain('"host": "here"');
});

test("awaitLease waits while the holder renews the lease, and logs one line", async ({ folder }) => {
  const { dir, path } = folder;
  writeFileSync(path, formatLease(elsewhere("there"), "a", 0));
  let waitedMs = 0;
  const environment = slowEnvironment(elsewhere("here"), (nowMs) => {
    waitedMs = nowMs;
    if (nowMs % 10_000 === 0 && nowMs <= 50_000) writeFileSync(path, formatLease(elsewhere("there"), "a", nowMs));
  });
  const log = (line: string) => folder.lines.push(line);
  const lease = await awaitLease(path, dir, "installing TensorFlow", log, environment);
  folder.ends.push(() => lease.release());
  expect(waitedMs).toBe(110_000);
  expect(folder.lines).toEqual(["waiting for process 7 on there, which is installing TensorFlow"]);
});

test("a stale lease that three processes find at once is acquired by one of them", async ({ folder }) => {
  const { path } = folder;
  writeFileSync(path, formatLease(elsewhere("there"), "a", 0));
  const all = await Promise.allSettled(["b", "c", "d"].map((host) => folder.acquire(slowEnvironment(elsewhere(host)))));
  expect(all.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
});

test("a lease is acquired although a process died while acquiring it", async ({ folder }) => {
  const { dir, path } = folder;
  writeFileSync(`${path}.new`, "");
  await folder.acquire(slowEnvironment());
  expect(readdirSync(dir)).toEqual(["run.pid"]);
});

test("a holder whose lease was taken over fails its checks and does not release the new lease", async ({ folder }) => {
  const { dir, path } = folder;
  const environment = slowEnvironment(elsewhere("laptop"));
  const lease = await folder.acquire(environment);
  lease.assertHeld();
  writeFileSync(path, formatLease(elsewhere("there"), "b", 0)); // while the laptop was shut
  await environment.pause(60_000);
  const taken = failure("ERR_RUN_TAKEN", `^Process 7 on there took over ${dir} because this process did not renew its`);
  expect(() => lease.assertHeld()).toThrow(taken);
  await expect(lease.lost).rejects.toThrow(taken);
  lease.release();
  expect(readFileSync(path, "utf8")).toContain('"token": "b"');
});

test("a lease whose file was deleted is written again", async ({ folder }) => {
  const { path } = folder;
  const environment = slowEnvironment();
  const lease = await folder.acquire(environment);
  const content = readFileSync(path, "utf8");
  rmSync(path);
  await environment.pause(20_000);
  lease.assertHeld();
  const renewed = readFileSync(path, "utf8");
  expect(renewed).not.toBe(content);
  expect(renewed.replace("20000", "00000")).toBe(content);
});

test("a lease whose file was deleted is written again once no other process is acquiring it", async ({ folder }) => {
  const { path } = folder;
  const environment = slowEnvironment();
  const lease = await folder.acquire(environment);
  rmSync(path);
  writeFileSync(`${path}.new`, "");
  await environment.pause(20_000);
  lease.assertHeld();
  expect(existsSync(path)).toBe(false);
  rmSync(`${path}.new`);
  lease.assertHeld();
  expect(readFileSync(path, "utf8")).toContain('"host": "here"');
});

test("a released lease is not written again by a late check", async ({ folder }) => {
  const { dir } = folder;
  const environment = slowEnvironment();
  const lease = await folder.acquire(environment);
  lease.release();
  await environment.pause(20_000);
  expect(() => lease.assertHeld()).toThrow(
    failure("ERR_RUN_TAKEN", `^This process has released ${dir}, and can no longer`),
  );
  expect(readdirSync(dir)).toEqual([]);
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

test("a lease is renewed by a timer if no thread can be started", async ({ folder }) => {
  const { path } = folder;
  const renewal = { path, token: "a", heldMs: 0, everyMs: 10 };
  writeFileSync(path, formatLease(elsewhere("there"), "b", 0));
  const start = () => {
    throw new Error("no thread");
  };
  const found = await new Promise<string | undefined>((resolve) => {
    folder.ends.push(renewOnThread(renewal, resolve, start));
  });
  expect(found).toContain('"token": "b"');
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
