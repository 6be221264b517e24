/** Measures the memory of a coordinator in its own process, with workers that do not read or not compute. */

import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { spawnForTest } from "@lockstep/testing";
import { expect, onTestFinished, test } from "vitest";
import { memoryBound, SLICES } from "./testing/fuzz/large-model.ts";
import type { MemoryReport } from "./testing/fuzz/large-run.ts";
import { LargeWorker } from "./testing/fuzz/large-worker.ts";

/** Starts a coordinator of a large model. */
async function startCoordinator() {
  const execArgv = ["--import", "tsx", "--conditions=lockstep-source"];
  const program = fileURLToPath(new URL("./testing/fuzz/large-run.ts", import.meta.url));
  const coordinator = spawnForTest([process.execPath, ...execArgv, program], { ipc: true });
  const next = async <Message>() => ((await once(coordinator, "message")) as [Message])[0];
  const { port } = await next<{ port: number }>();
  const join = async (name: string) => {
    const worker = new LargeWorker(port, name);
    onTestFinished(() => worker.socket.terminate());
    await once(worker.socket, "message"); // the welcome
    return worker;
  };
  return { join, begin: () => coordinator.send("begin"), report: () => next<MemoryReport>() };
}

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

test("a coordinator's memory stays below its bound, whoever does not read, compute or stop", async () => {
  const { join, begin, report } = await startCoordinator();
  await join("a");
  await join("b");
  const deaf = await join("deaf");
  const late = await join("late");
  begin();
  await once(late.socket, "message"); // the run has begun
  const reported = report();
  deaf.socket.pause();
  late.hangs = true;
  const joiner = await join("joins, and does not read");
  joiner.socket.pause();
  const { liveBytes, residentBytes, log } = await reported;
  const bound = memoryBound({ workers: 5, secondAttempts: SLICES });
  const sizes = `live ${megabytes(liveBytes)}, resident ${megabytes(residentBytes)}, of ${megabytes(bound)}`;
  expect(liveBytes, [sizes, ...log].join("\n")).toBeLessThan(bound);
  expect(log.some((line) => line.startsWith("deaf was dropped"))).toBe(true);
});
