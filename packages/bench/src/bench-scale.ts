/**
 * `pnpm bench scale`: a coordinator with many workers that compute nothing, but send and receive what workers of
 * alexnet-cifar10 do at a global batch of 64, beside bare ws sockets that move the same bytes.
 *
 *     pnpm bench scale --rounds 3 --steps 5 --json scale.json
 *
 * Clients of ws mask what they send, which costs a pass over all bytes at each end. Lockstep's workers send unmasked
 * frames. So the bare sockets are measured with and without masks. On each side the server is one process and the
 * clients are another. A step lasts from one commit to the next.
 */
import type { ScaleOptions } from "@lockstep/config/programs";
import { type Cleanup, withCleanup } from "./cleanup.ts";
import { inTurn, medians, type Timed } from "./pairs/rounds.ts";
import { lastLine, nodeScript, start } from "./processes.ts";
import { figure } from "./results/figure.ts";
import { publish } from "./results/result.ts";
import { BATCH } from "./scale/scale-traffic.ts";

const TEAMS = [2, 8, 32, 64];
const peerName = "bare ws sockets";

interface Served extends Timed {
  cpuMs: number[];
  /** Peak resident memory of the server process. */
  rssMiB: number;
}

/** Measures teams of several sizes, prints the figures, and writes them to a file if one is named. */
export async function benchScale({ rounds, steps, json }: ScaleOptions): Promise<void> {
  await withCleanup(async (cleanup) => {
    const figures = [];
    const raw: Record<string, unknown> = {};
    for (const workers of TEAMS) {
      console.log(`${workers} workers:`);
      const { lockstep, bare, unmasked } = await inTurn(rounds, {
        lockstep: () => serve("lockstep", workers, steps, cleanup),
        bare: () => serve("bare", workers, steps, cleanup),
        unmasked: () => serve("unmasked", workers, steps, cleanup),
      });
      raw[workers] = { lockstep, bare, unmasked };
      const step = { id: `step-${workers}`, name: `step of ${workers} silent workers`, peerName } as const;
      const { name } = step;
      const withoutMasks = { id: `unmasked-${workers}`, name, peerName: `${peerName} without masks` } as const;
      const cpu = { id: `cpu-${workers}`, name: "CPU time of the server in a step", peerName } as const;
      const memory = { id: `memory-${workers}`, name: "peak memory of the server", peerName } as const;
      const cpuOf = (all: Served[]) => medians(all.map(({ cpuMs }) => ({ stepMs: cpuMs })));
      const memoryOf = (all: Served[]) => all.map(({ rssMiB }) => rssMiB * 2 ** 20);
      figures.push(
        figure({ ...step, unit: "ms" }, medians(lockstep), medians(bare)),
        figure({ ...withoutMasks, unit: "ms" }, medians(lockstep), medians(unmasked)),
        figure({ ...cpu, unit: "ms" }, cpuOf(lockstep), cpuOf(bare)),
        figure({ ...memory, unit: "bytes" }, memoryOf(lockstep), memoryOf(bare)),
      );
    }
    const setting = { model: "alexnet-cifar10", batch: BATCH, rounds, steps };
    publish({ bench: "scale", versions: {}, setting, notes: [], figures, raw }, json);
  });
}

type Kind = "lockstep" | "bare" | "unmasked";

async function serve(kind: Kind, workers: number, steps: number, cleanup: Cleanup): Promise<Served> {
  const server = start([...nodeScript("scale/scale-server.ts"), kind, `${workers}`, `${steps}`], cleanup);
  const port = await server.prints(/port (\d+)/);
  const clients = start([...nodeScript("scale/scale-clients.ts"), kind, port, `${workers}`], cleanup);
  const printed = await server.ended;
  await clients.kill();
  return lastLine<Served>(printed);
}
