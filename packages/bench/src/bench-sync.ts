/**
 * `pnpm bench sync`: two workers that train together on this machine, against PyTorch's DistributedDataParallel.
 *
 *     pnpm bench sync --rounds 5 --steps 20 --python ~/torch/bin/python --json sync.json
 *
 * Both sides train alexnet-cifar10 with 32 images and one thread per worker, each worker on its own core. The sides run
 * in turn, in fresh processes. Lockstep's are `pnpm coordinator` and `pnpm worker`; its times are in the run's folder.
 * The third side is a worker's forward and backward pass without a team. The additional time of a step is the cost of
 * distribution, (step − alone) / step.
 */
import type { ComparingOptions } from "@lockstep/config/programs";
import { withCleanup } from "./cleanup.ts";
import { lockstepAlone, lockstepPair } from "./pairs/lockstep-pair.ts";
import { median } from "./pairs/median.ts";
import { IMAGES, pairSetting } from "./pairs/pair-setting.ts";
import { pytorchLeftOut } from "./pairs/python.ts";
import { pytorchPair } from "./pairs/pytorch-pair.ts";
import { inTurn, medians, type Timed } from "./pairs/rounds.ts";
import { coresForTwo, loopbackSite } from "./pairs/site.ts";
import { type Figure, figure } from "./results/figure.ts";
import { printNotes, publish } from "./results/result.ts";

/** Measures on this machine, prints the figures, and writes them to a file if one is named. */
export async function benchSync({ rounds, steps, python, json }: ComparingOptions): Promise<void> {
  const cores = coresForTwo();
  const site = loopbackSite(cores);
  const leftOut = pytorchLeftOut(python);
  const notes = printNotes(cores.note, leftOut);
  await withCleanup(async (cleanup) => {
    const options = { steps, wire: "fp32" as const, python };
    const raw = await inTurn(rounds, {
      lockstep: () => lockstepPair(site, options, cleanup),
      ...(leftOut === undefined && { pytorch: () => pytorchPair(site, options, cleanup) }),
      alone: () => lockstepAlone(site, steps, cleanup),
    });
    const { lockstep, pytorch = [], alone } = raw;
    const step = { id: "step", name: `step of ${IMAGES} images, 2 workers`, unit: "ms", images: IMAGES } as const;
    const forwardBackward = { id: "alone", name: "forward and backward of one of the 2 workers", unit: "ms" } as const;
    const sent = { id: "bytes-up", name: "traffic from a worker in a step", unit: "bytes" } as const;
    const figures = [
      figure(step, medians(lockstep), medians(pytorch)),
      figure(forwardBackward, medians(alone)),
      costFigure(lockstep, alone),
      figure(
        sent,
        lockstep.map(({ bytesUp }) => bytesUp),
      ),
    ];
    const versions = { engine: lockstep[0]?.engine ?? "unknown", ...(pytorch[0] && { pytorch: pytorch[0].version }) };
    const setting = { ...pairSetting, rounds, steps, cores: cores.pinned };
    publish({ bench: "sync", versions, setting, notes, figures, raw }, json);
  });
}

/** Returns (step − alone) / step for each round. */
function costFigure(lockstep: readonly Timed[], alone: readonly Timed[]): Figure {
  const [steps, alones] = [medians(lockstep), medians(alone)];
  const what = { id: "cost", name: "overhead of distribution, as a share of the step", unit: "share" } as const;
  const rounds = steps.map((step, round) => (step - (alones[round] ?? Number.NaN)) / step);
  return { ...figure(what, rounds), lockstep: 1 - median(alones) / median(steps) };
}
