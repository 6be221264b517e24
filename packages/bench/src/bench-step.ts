/**
 * `pnpm bench step`: steps on one machine, of Lockstep and PyTorch in turn, each in a fresh process.
 *
 *     pnpm bench step --rounds 5 --steps 20 --python ~/torch/bin/python --json step.json
 */
import type { StepOptions } from "@lockstep/config/programs";
import { withCleanup } from "./cleanup.ts";
import { pytorchLeftOut } from "./pairs/python.ts";
import { inTurn, medians, type Timed } from "./pairs/rounds.ts";
import { besideThis, lastLine, nodeScript, start } from "./processes.ts";
import { figure } from "./results/figure.ts";
import { printNotes, publish } from "./results/result.ts";

const BATCH = 32;

interface LockstepTimes extends Timed {
  version: string;
  liveTensors: number[];
  rssMiB: number[];
}

interface PytorchTimes extends Timed {
  version: string;
}

/** Measures steps of one machine, prints the figures, and writes them to a file if one is named. */
export async function benchStep({ rounds, steps, threads, python, json }: StepOptions): Promise<void> {
  const args = [`${steps}`, `${BATCH}`, `${threads}`];
  const leftOut = pytorchLeftOut(python);
  const notes = printNotes(leftOut);
  await withCleanup(async (cleanup) => {
    const measure = async <Times>(command: string[]) => lastLine<Times>(await start(command, cleanup).ended);
    const raw = await inTurn(rounds, {
      lockstep: () => measure<LockstepTimes>([...nodeScript("step/lockstep-step.ts"), ...args]),
      ...(leftOut === undefined && {
        pytorch: () => measure<PytorchTimes>([python, "-B", besideThis("pytorch/pytorch_step.py"), ...args]),
      }),
    });
    const { lockstep, pytorch = [] } = raw;
    const name = `step of ${BATCH} images, ${threads} threads`;
    const step = { id: "step", name, unit: "ms", images: BATCH } as const;
    const figures = [figure(step, medians(lockstep), medians(pytorch))];
    const versions = {
      tensorflow: lockstep[0]?.version ?? "unknown",
      ...(pytorch[0] && { pytorch: pytorch[0].version }),
    };
    const setting = { model: "alexnet-cifar10", batch: BATCH, rounds, steps, threads };
    publish({ bench: "step", versions, setting, notes, figures, raw }, json);
    for (const side of lockstep) console.log(memoryLine(side));
  });
}

/** Number of steps after which the process should no longer grow. */
const SETTLED_STEPS = 50;

/** Reports whether the number of live tensors is constant, and the memory constant within 5 %. */
function memoryLine({ liveTensors, rssMiB }: LockstepTimes): string {
  const tensors =
    new Set(liveTensors).size === 1
      ? `constant at ${liveTensors[0]}`
      : `NOT constant: ${Math.min(...liveTensors)} to ${Math.max(...liveTensors)}`;
  const settled = rssMiB.slice(SETTLED_STEPS);
  if (settled.length === 0)
    return `memory: live tensors ${tensors}; --steps 100 or more shows whether the process grows`;
  const [low, high] = [Math.min(...settled), Math.max(...settled)];
  const verdict = high <= low * 1.05 ? "within 5 %" : "NOT within 5 %";
  return `memory: live tensors ${tensors}; RSS after ${SETTLED_STEPS} steps ${low.toFixed(0)} to ${high.toFixed(0)} MiB, ${verdict}`;
}
