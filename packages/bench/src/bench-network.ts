/**
 * `pnpm bench network`: the pair of `pnpm bench sync` on a slow network, against PyTorch's DistributedDataParallel.
 *
 *     sudo -E env "PATH=$PATH" pnpm bench network --rate 100mbit --python ~/torch/bin/python --json network.json
 *
 * Each worker, and each process of PyTorch, has its own network namespace, behind a link that `tc tbf` shapes in both
 * directions. pairs/shaped-network.ts shows the topology. The throughput of the links is measured first. With --wire
 * bf16 PyTorch sends fp16, which has the same size: its bf16 hook does not support gloo.
 */
import type { NetworkOptions } from "@lockstep/config/programs";
import { LockstepError } from "@lockstep/errors";
import { withCleanup } from "./cleanup.ts";
import { lockstepPair } from "./pairs/lockstep-pair.ts";
import { measureLinks } from "./pairs/measure-links.ts";
import { missingForNetwork } from "./pairs/namespaces.ts";
import { IMAGES, pairSetting } from "./pairs/pair-setting.ts";
import { pytorchLeftOut } from "./pairs/python.ts";
import { pytorchPair } from "./pairs/pytorch-pair.ts";
import { parseRate } from "./pairs/rate.ts";
import { inTurn, medians } from "./pairs/rounds.ts";
import { shapedNetwork } from "./pairs/shaped-network.ts";
import { coresForTwo } from "./pairs/site.ts";
import { figure } from "./results/figure.ts";
import { printNotes, publish } from "./results/result.ts";

const FP16_NOTE = "PyTorch sends fp16, as many bytes as bf16: its own bf16 hook refuses gloo";

/** Measures behind slow links, prints the figures, and writes them to a file if one is named. */
export async function benchNetwork({ rate, wire, rounds, steps, python, json }: NetworkOptions): Promise<void> {
  const bitsPerSecond = parseRate(rate);
  const missing = missingForNetwork();
  if (missing !== undefined) throw new LockstepError("ERR_BENCH", `Cannot measure on this machine. ${missing}`);
  const cores = coresForTwo();
  const leftOut = pytorchLeftOut(python);
  const notes = printNotes(cores.note, leftOut ?? (wire === "bf16" ? FP16_NOTE : undefined));
  await withCleanup(async (cleanup) => {
    const site = shapedNetwork(bitsPerSecond, cores, cleanup);
    const measuredMbit = await measureLinks(bitsPerSecond, cleanup);
    const { up, down, across } = measuredMbit;
    const carried = `${up.toFixed(1)} Mbit/s up, ${down.toFixed(1)} down, ${across.toFixed(1)} from worker to worker`;
    notes.push(...printNotes(`the links of ${rate} carried ${carried}`));
    const options = { steps, wire, python };
    const raw = await inTurn(rounds, {
      lockstep: () => lockstepPair(site, options, cleanup),
      ...(leftOut === undefined && { pytorch: () => pytorchPair(site, options, cleanup) }),
    });
    const { lockstep, pytorch = [] } = raw;
    const name = `step of ${IMAGES} images, 2 workers, ${rate}, ${wire}`;
    const step = { id: "step", name, unit: "ms", images: IMAGES } as const;
    const sent = { id: "bytes-up", name: "traffic from a worker in a step", unit: "bytes" } as const;
    const figures = [
      figure(step, medians(lockstep), medians(pytorch)),
      figure(
        sent,
        lockstep.map(({ bytesUp }) => bytesUp),
      ),
    ];
    const versions = { engine: lockstep[0]?.engine ?? "unknown", ...(pytorch[0] && { pytorch: pytorch[0].version }) };
    const setting = { ...pairSetting, rounds, steps, rate, measuredMbit, wire, cores: cores.pinned };
    publish(
      { bench: `network-${rate}${wire === "fp32" ? "" : `-${wire}`}`, versions, setting, notes, figures, raw },
      json,
    );
  });
}
