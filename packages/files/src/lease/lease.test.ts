/** Checks in simulated time who takes over a lease whose holder renews it, is silent, or finds it lost. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { expect, onTestFinished } from "vitest";
import { elsewhere, failure, slowEnvironment, test } from "../testing/lease-folder.ts";
import { awaitLease } from "./acquire-lease.ts";
import { formatLease } from "./lease-holder.ts";
import { renewOnThread } from "./renewing-thread.ts";

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
  onTestFinished(() => lease.release());
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

test("a lease is renewed by a timer if no thread can be started", async ({ folder }) => {
  const { path } = folder;
  const renewal = { path, token: "a", heldMs: 0, everyMs: 10 };
  writeFileSync(path, formatLease(elsewhere("there"), "b", 0));
  const start = () => {
    throw new Error("no thread");
  };
  const found = await new Promise<string | undefined>((resolve) => {
    onTestFinished(renewOnThread(renewal, resolve, start));
  });
  expect(found).toContain('"token": "b"');
});
