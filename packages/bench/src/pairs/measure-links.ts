/** Measures the throughput of the shaped network's links. */
import { LockstepError } from "@lockstep/errors";
import type { Cleanup } from "../cleanup.ts";
import { lastLine, nodeScript, start } from "../processes.ts";
import { inNamespace } from "./namespaces.ts";
import { mbitPerSecond } from "./rate.ts";
import { BRIDGE_HOST, workerHost } from "./shaped-network.ts";

/** Rates in Mbit/s. */
export interface MeasuredMbit {
  /** From worker 0 to the coordinator. */
  up: number;
  /** From the coordinator to worker 0. */
  down: number;
  /** From worker 0 to worker 1. */
  across: number;
}

/** Duration of a transfer at the links' rate. */
const TRANSFER_SECONDS = 2;

/**
 * Measures the TCP throughput of the links in each direction.
 *
 * @throws LockstepError ERR_BENCH if it exceeds the configured rate, or falls far below it
 */
export async function measureLinks(bitsPerSecond: number, cleanup: Cleanup): Promise<MeasuredMbit> {
  const bytes = Math.round((bitsPerSecond / 8) * TRANSFER_SECONDS);
  const measured = {
    up: await measure("worker0", "bridge", BRIDGE_HOST, bytes, cleanup),
    down: await measure("bridge", "worker0", workerHost(0), bytes, cleanup),
    across: await measure("worker0", "worker1", workerHost(1), bytes, cleanup),
  };
  const expected = bitsPerSecond / 1e6;
  for (const [direction, mbit] of Object.entries(measured)) {
    if (mbit <= expected * 1.05 && mbit >= expected * 0.8) continue;
    const text = `Expected the shaped link (${direction}) to carry about ${expected} Mbit/s, measured ${mbit.toFixed(1)}. Try a lower --rate or a quieter machine.`;
    throw new LockstepError("ERR_BENCH", text);
  }
  return measured;
}

async function measure(from: string, to: string, host: string, bytes: number, cleanup: Cleanup): Promise<number> {
  const script = nodeScript("pairs/transfer.ts");
  const receiver = start([...inNamespace(to), ...script, "receive", host], cleanup);
  const port = await receiver.prints(/port (\d+)/);
  const sender = start([...inNamespace(from), ...script, "send", host, port, `${bytes}`], cleanup);
  await sender.ended;
  return mbitPerSecond(lastLine(await receiver.ended));
}
