/** Reads the times of a pair's steps from the run's metrics. */
import type { MetricsRow } from "@lockstep/run";
import { median } from "./median.ts";
import { WARMUP } from "./pair-setting.ts";
import type { Timed } from "./rounds.ts";

/** The times of Lockstep's side. */
export interface LockstepTimes extends Timed {
  /** Engine that computed: `native TensorFlow 2.21.0, CPU …`. */
  engine: string;
  /** Median of the bytes that a worker sent in a step. */
  bytesUp: number;
  /** Median of the bytes that a worker received in a step. */
  bytesDown: number;
  /** Median of each time in a step's row: `ms.step`, `worker-0.ms.forward`, … */
  parts: Record<string, number>;
}

/** Returns the times in a run's rows, without the warm-up steps. */
export function timesOf(rows: readonly MetricsRow[], engine: string): LockstepTimes {
  const steps = rows.filter((row) => row.type === "step").filter(({ step }) => step >= WARMUP);
  const workers = steps.flatMap(({ workers = [] }) => workers);
  return {
    stepMs: steps.map(({ ms }) => ms.step),
    engine,
    bytesUp: median(workers.map(({ bytesUp }) => bytesUp)),
    bytesDown: median(workers.map(({ bytesDown }) => bytesDown)),
    parts: segmentMedians(steps),
  };
}

/** Returns the median of every number in `ms` and in the nested records of each worker. */
function segmentMedians(steps: readonly Extract<MetricsRow, { type: "step" }>[]): Record<string, number> {
  const values = new Map<string, number[]>();
  const note = (name: string, segments: object) => {
    for (const [segment, value] of Object.entries(segments)) {
      if (typeof value !== "number") continue;
      values.set(`${name}.${segment}`, [...(values.get(`${name}.${segment}`) ?? []), value]);
    }
  };
  for (const { ms, workers = [] } of steps) {
    note("ms", ms);
    for (const { name, ...worker } of workers)
      for (const [group, segments] of Object.entries(worker))
        if (typeof segments === "object" && segments !== null) note(`${name}.${group}`, segments);
  }
  return Object.fromEntries([...values].map(([name, all]) => [name, median(all)]));
}
