/** PyTorch's side of a pair: DistributedDataParallel over gloo. */
import { once } from "node:events";
import { createServer } from "node:net";
import type { Cleanup } from "../cleanup.ts";
import { allEnded, besideThis, lastLine, start } from "../processes.ts";
import { type PairOptions, ROWS, THREADS, WORKERS } from "./pair-setting.ts";
import type { Timed } from "./rounds.ts";
import type { Site } from "./site.ts";

/** The times of PyTorch's side. */
export interface PytorchTimes extends Timed {
  version: string;
}

/**
 * Trains with two ranks. With --wire bf16 PyTorch's gradients are compressed, too: to fp16, by the only communication
 * hook that does so over gloo.
 */
export async function pytorchPair(
  { workers, ddpHost, ddpInterface }: Site,
  { steps, wire, python }: PairOptions & { python: string },
  cleanup: Cleanup,
): Promise<PytorchTimes> {
  const script = besideThis("pytorch/pytorch_ddp.py");
  const meeting = [ddpHost, `${await freePort()}`, ddpInterface];
  const training = [`${steps}`, `${ROWS}`, `${THREADS}`, wire === "bf16" ? "fp16" : wire];
  const ranks = workers.map((prefix, rank) =>
    start([...prefix, python, "-B", script, `${rank}`, `${WORKERS}`, ...meeting, ...training], cleanup),
  );
  const [printed = ""] = await allEnded(ranks);
  return lastLine<PytorchTimes>(printed);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new TypeError("Expected the address of a port.");
  return address.port;
}
