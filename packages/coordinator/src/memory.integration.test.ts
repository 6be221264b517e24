/** Measures the memory of a coordinator in its own process, with workers that do not read or not compute. */

import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { spawnForTest } from "@lockstep/testing";
import { afterEach, expect, test } from "vitest";
import { memoryBound, SLICES } from "./testing/fuzz/large-model.ts";
import type { MemoryReport } from "./testing/fuzz/large-run.ts";
import { LargeWorker } from "./testing/fuzz/large-worker.ts";

const workers: LargeWorker[] = [];
afterEach(() => {
  for (const { socket } of workers.splice(0)) socket.terminate();
});

test("a coordinator's memory stays below its bound, whoever does not read, compute or stop", async () => {
  const execArgv = ["--import", "tsx", "--conditions=lockstep-source"];
  const program = fileURLToPath(new URL("./testing/fuzz/large-run.ts", import.meta.url));
  const coordinator = spawnForTest([process.execPath, ...execArgv, program], { ipc: true });
  const [{ port }] = (await once(coordinator, "message")) as [{ port: number }];
  const join = async (name: string) => {
    const worker = new LargeWorker(port, name);
    workers.push(worker);
    await once(worker.socket, "message"); // the welcome
    return worker;
  };
  await join("a");
  await join("b");
  const deaf = await join("deaf");
  const late = await join("late");
  coordinator.send("begin");
  await once(late.socket, "message"); // the run has begun
  const ended: Promise<[MemoryReport]> = once(coordinator, "message") as Promise<[MemoryReport]>;
  deaf.socket.pause();
  late.hangs = true;
  const joiner = await join("joins, and does not read");
  joiner.socket.pause();
  const [{ liveBytes, residentBytes, log }] = await ended;
  const bound = memoryBound({ workers: 5, secondAttempts: SLICES });
  const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  const report = [`live ${megabytes(liveBytes)}, resident ${megabytes(residentBytes)}, of ${megabytes(bound)}`, ...log];
  expect(liveBytes, report.join("\n")).toBeLessThan(bound);
  expect(log.some((line) => line.startsWith("deaf was dropped"))).toBe(true);
});
