/** `pnpm train --workers N`: a coordinator in this process and N workers beside it, on this machine. */
import { coordinate, type RunStart } from "@lockstep/coordinator";
import { displayOn, INTERRUPTED, type MachineOptions } from "@lockstep/run";
import { startLocalWorkers } from "../local-workers.ts";
import { version } from "../version.ts";

const HOST = "127.0.0.1";
const HEARTBEAT_MS = 1000;
// Processes on one machine with as many threads each are alike: slices by speed would follow noise.

export async function trainTogether(workers: number, start: RunStart, machine: MachineOptions): Promise<void> {
  const display = displayOn(process.stdout);
  let ended: Promise<void> | undefined;
  let fail: (error: Error) => void = () => {};
  const workersFailed = new Promise<never>((_, reject) => (fail = reject));
  workersFailed.catch(() => {}); // after the workers have joined, the coordinator notices a loss by itself
  const codeModel = start.model.kind === "code" ? start.config.model : undefined;
  const onListening = (port: number) => {
    const local = startLocalWorkers(workers, `ws://${HOST}:${port}`, machine, codeModel);
    ended = local.ended;
    local.failed.catch(fail);
  };
  const door = { host: HOST, port: 0, anyPort: true }; // on loopback, without token and TLS
  const common = { door, heartbeatMs: HEARTBEAT_MS, balance: "even" as const };
  try {
    const outcome = await coordinate({
      ...common,
      ...start,
      workers,
      display,
      version,
      workersFailed,
      onListening,
    });
    if (outcome === "interrupted") {
      display.line(`stopped; continue with: pnpm train --workers ${workers} --resume ${start.folder.dir}`);
      process.exitCode = INTERRUPTED;
    }
  } finally {
    display.close();
    await ended;
  }
}
