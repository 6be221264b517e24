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
import { spawnForTest } from "@lockstep/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { acquireLease, awaitLease } from "./acquire-lease.ts";
import type { Lease } from "./lease.ts";
import { formatLease, ownIdentity } from "./lease-holder.ts";
import { type LeaseEnvironment, realEnvironment } from "./lease-watch.ts";
import { renewOnThread } from "./renewing-thread.ts";

/** Without what names it on its machine, it is a process of which nobody else can tell whether it lives. */
const elsewhere = (host: string) => ({ host, pid: 7 });

let dir: string;
let path: string;
let leases: Lease[];
let ends: (() => void)[];
let lines: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-lease-"));
  path = join(dir, "run.pid");
  [leases, ends, lines] = [[], [], []];
});
afterEach(() => {
  for (const lease of leases) lease.release();
  for (const end of ends) end();
  rmSync(dir, { recursive: true });
});

/** A world whose clock moves only when it pauses; what happens meanwhile is called with the time. */
function slowEnvironment(own = elsewhere("here"), meanwhile: (nowMs: number) => void = () => {}): LeaseEnvironment {
  let now = 1e9;
  const pause = async (ms: number) => {
    now += ms;
    meanwhile(now - 1e9);
  };
  const never = { renewMs: 10_000, keepRenewing: () => () => {} };
  return { own, nowMs: () => now, wallMs: () => now, pause, ...never };
}

async function acquire(environment?: LeaseEnvironment): Promise<Lease> {
  const lease = await acquireLease(path, dir, (line) => lines.push(line), environment);
  leases.push(lease);
  return lease;
}

const failure = (code: string, message: string | RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

const SLEEP = `process.stdout.write("here"); setInterval(() => {}, 1e6)`;

/** A process that does nothing, and its identity as the file of a lease has it. */
async function sleeper(words = [process.execPath, "-e", SLEEP]) {
  const child = spawnForTest(words);
  await once(child.stdout, "data");
  const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8");
  const startTime = stat.split(") ")[1]!.split(" ")[19]!;
  return { child, identity: { ...ownIdentity(), pid: child.pid!, startTime } };
}

/** A program of that name, which does nothing. */
function programAt(name: string): string {
  const program = join(dir, name);
  mkdirSync(dirname(program), { recursive: true });
  writeFileSync(program, SLEEP);
  return program;
}

describe("a lease", () => {
  test("names its holder and how long it has been held, and is gone when it is released", async () => {
    const { identity } = await sleeper();
    writeFileSync(path, formatLease(identity, "a", 200_000));
    const message = `^Process ${identity.pid} on ${identity.host} has been writing to ${dir} for 3 min 20 s\\. Wait `;
    await expect(acquire()).rejects.toThrow(failure("ERR_RUN_BUSY", message));
    rmSync(path);
    (await acquire()).release();
    expect(readdirSync(dir)).toEqual([]);
    expect(lines).toEqual([]);
  });

  test.each(["1", "0\n", "-1", "", "{", "[]", "999999999", `${process.pid}\n`])(
    "is not what a file with %j says",
    async (content) => {
      writeFileSync(path, content);
      await acquire();
      expect(lines).toEqual([]);
    },
  );

  test.each(["apps/trainer/dist/main.js", "apps/coordinator/src/main.ts"])(
    "of an earlier version counts while its process runs %s, and says how to go on",
    async (name) => {
      const { child } = await sleeper([process.execPath, programAt(name)]);
      writeFileSync(path, `${child.pid}\n`);
      const text = `^Process ${child.pid}, of an earlier version of Lockstep, seems .* if no training runs, delete ${path}\\.$`;
      await expect(acquire()).rejects.toThrow(failure("ERR_RUN_BUSY", text));
      child.kill("SIGKILL");
      await once(child, "exit");
      await acquire();
    },
  );

  test.each([
    ["another Node program", () => [process.execPath, programAt("node_modules/apps/main.js")]],
    ["a program that shows Lockstep's source", () => ["tail", "-f", programAt("apps/trainer/src/main.ts")]],
    ["a Lockstep of after the file", () => [process.execPath, programAt("apps/trainer/dist/main.js")], 1],
  ])(
    "of an earlier version does not count where its process id is that of %s",
    async (_, words, writtenAt?: number) => {
      const { child } = await sleeper(words());
      writeFileSync(path, `${child.pid}\n`);
      if (writtenAt !== undefined) utimesSync(path, writtenAt, writtenAt);
      await acquire();
    },
  );

  test("of a process that was killed on this machine is taken at once", async () => {
    const { child, identity } = await sleeper();
    writeFileSync(path, formatLease(identity, "a", 0));
    child.kill("SIGKILL");
    await once(child, "exit");
    await acquire();
    expect(lines).toEqual([]);
  });

  test("of a process whose id another one has now is taken at once", async () => {
    const { identity } = await sleeper();
    writeFileSync(path, formatLease({ ...identity, startTime: "1" }, "a", 0));
    await acquire();
  });

  test("of another PID namespace is held for as long as it is renewed, whatever runs here under its process id", async () => {
    const { identity } = await sleeper();
    const container = { ...identity, pidNamespace: "pid:[1]", startTime: "1" };
    writeFileSync(path, formatLease(container, "a", 0));
    const renews = (nowMs: number) => nowMs >= 9000 && writeFileSync(path, formatLease(container, "a", 10_000));
    await expect(acquire(slowEnvironment(ownIdentity(), renews))).rejects.toThrow(failure("ERR_RUN_BUSY", "for 10 s"));
    expect(lines).toEqual([
      `waiting up to 60 s to see whether process ${identity.pid} on ${identity.host} still writes to ${dir}`,
    ]);
  });

  test("of another machine is taken when it was not renewed for 60 s of the observer's clock", async () => {
    writeFileSync(path, formatLease(elsewhere("there"), "a", 1e12));
    let waitedMs = 0;
    await acquire(slowEnvironment(elsewhere("here"), (nowMs) => (waitedMs = nowMs)));
    expect(waitedMs).toBe(60_000);
    expect(lines).toEqual([`waiting up to 60 s to see whether process 7 on there still writes to ${dir}`]);
    expect(readFileSync(path, "utf8")).toContain('"host": "here"');
  });

  test("that is awaited is watched once, and named in one line, for as long as its holder renews it", async () => {
    writeFileSync(path, formatLease(elsewhere("there"), "a", 0));
    let waitedMs = 0;
    const environment = slowEnvironment(elsewhere("here"), (nowMs) => {
      waitedMs = nowMs;
      if (nowMs % 10_000 === 0 && nowMs <= 50_000) writeFileSync(path, formatLease(elsewhere("there"), "a", nowMs));
    });
    leases.push(await awaitLease(path, dir, "installing TensorFlow", (line) => lines.push(line), environment));
    expect(waitedMs).toBe(110_000);
    expect(lines).toEqual(["waiting for process 7 on there, which is installing TensorFlow"]);
  });

  test("that several find stale at once is taken by one of them", async () => {
    writeFileSync(path, formatLease(elsewhere("there"), "a", 0));
    const all = await Promise.allSettled(["b", "c", "d"].map((host) => acquire(slowEnvironment(elsewhere(host)))));
    expect(all.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
  });

  test("is taken where a process died while it took it", async () => {
    writeFileSync(`${path}.new`, "");
    await acquire(slowEnvironment());
    expect(readdirSync(dir)).toEqual(["run.pid"]);
  });

  test("that another process has taken is not released, and its old holder writes nothing more", async () => {
    const environment = slowEnvironment(elsewhere("laptop"));
    const lease = await acquire(environment);
    lease.assertHeld();
    writeFileSync(path, formatLease(elsewhere("there"), "b", 0)); // while the laptop was shut
    await environment.pause(60_000);
    const taken = failure("ERR_RUN_TAKEN", `^Process 7 on there has taken ${dir}, as this process did not renew its`);
    expect(() => lease.assertHeld()).toThrow(taken);
    await expect(lease.lost).rejects.toThrow(taken);
    lease.release();
    expect(readFileSync(path, "utf8")).toContain('"token": "b"');
  });

  test("whose file was deleted is put back", async () => {
    const environment = slowEnvironment();
    const lease = await acquire(environment);
    const content = readFileSync(path, "utf8");
    rmSync(path);
    await environment.pause(20_000);
    lease.assertHeld();
    const renewed = readFileSync(path, "utf8");
    expect(renewed).not.toBe(content);
    expect(renewed.replace("20000", "00000")).toBe(content);
  });

  test("whose file was deleted is put back as soon as no other process is in the way", async () => {
    const environment = slowEnvironment();
    const lease = await acquire(environment);
    rmSync(path);
    writeFileSync(`${path}.new`, "");
    await environment.pause(20_000);
    lease.assertHeld();
    expect(existsSync(path)).toBe(false);
    rmSync(`${path}.new`);
    lease.assertHeld();
    expect(readFileSync(path, "utf8")).toContain('"host": "here"');
  });

  test("that was released is not put back by who asks for it late", async () => {
    const environment = slowEnvironment();
    const lease = await acquire(environment);
    lease.release();
    await environment.pause(20_000);
    expect(() => lease.assertHeld()).toThrow(
      failure("ERR_RUN_TAKEN", `^This process has released ${dir}, and may not`),
    );
    expect(readdirSync(dir)).toEqual([]);
  });

  test("is free when this process has let go of it on a disk that did not let it delete the file", async () => {
    const lease = await acquire(realEnvironment());
    const content = readFileSync(path);
    lease.release();
    writeFileSync(path, content);
    await acquire();
  });
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

test("a lease is renewed while its holder's main thread is blocked, and keeps no process from its end", async () => {
  const child = spawnForTest([process.execPath, ...SOURCE_FLAGS, BLOCKED, path]);
  const exited = once(child, "exit");
  expect(String((await once(child.stdout, "data"))[0])).toBe("renewed");
  expect(await exited).toEqual([0, null]);
});

test("a holder that finds another token in its lease's file, by its thread, has lost the lease", async () => {
  const lease = await acquire(realEnvironment(20));
  writeFileSync(path, formatLease(elsewhere("there"), "b", 0));
  await expect(lease.lost).rejects.toThrow(failure("ERR_RUN_TAKEN", "^Process 7 on there has taken "));
});

test("a lease is renewed by a timer where no thread can be started", async () => {
  const renewal = { path, token: "a", heldMs: 0, everyMs: 10 };
  writeFileSync(path, formatLease(elsewhere("there"), "b", 0));
  const start = () => {
    throw new Error("no thread");
  };
  const found = await new Promise<string | undefined>((resolve) => {
    ends.push(renewOnThread(renewal, resolve, start));
  });
  expect(found).toContain('"token": "b"');
});

// Each start takes the lease, holds it, and says what came of it.
const START = `
  import { acquireLease } from ${moduleOf("./acquire-lease.ts")};
  process.stdout.write("ready ");
  process.stdin.once("data", () =>
    acquireLease(process.argv[1], "the run", () => {}).then(
      () => process.stdout.write("holds"),
      (error) => process.stdout.write(error.code)));
`;

test("of several processes that start at once, after one that was killed, exactly one gets the lease", async () => {
  writeFileSync(path, formatLease({ ...ownIdentity(), pid: spawnSync("true").pid, startTime: "1" }, "killed", 0));
  const starts = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const child = spawnForTest([process.execPath, ...SOURCE_FLAGS, START, path]);
      await once(child.stdout, "data");
      return child;
    }),
  );
  const logged = starts.map(async (child) => String((await once(child.stdout, "data"))[0]));
  for (const { stdin } of starts) stdin.write("go");
  expect((await Promise.all(logged)).sort()).toEqual(["ERR_RUN_BUSY", "ERR_RUN_BUSY", "ERR_RUN_BUSY", "holds"]);
  expect(existsSync(`${path}.new`)).toBe(false);
});
