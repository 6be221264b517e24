/**
 * Plans how a run's gradients are sent and how many workers may join, from the workers' links and the memory for sums.
 */
import type { RunConfig } from "@lockstep/config";
import { at } from "@lockstep/errors";
import {
  BYTES_PER_ELEMENT,
  makeLayout,
  type Plan,
  planChunkBytes,
  planForms,
  updateBytes,
} from "@lockstep/gradient-sync";
import type { ReadySession } from "../connections/ready-session.ts";
import { assertSumsFit, maxSlices, sumsBudgetBytes } from "./memory-budget.ts";

type Ready = Pick<ReadySession["ready"], "tensors" | "factorable" | "linkBytesPerSecond" | "gemmFlopsPerSecond">;
type Settings = Pick<RunConfig, "sync" | "wire" | "batchSize" | "sliceRows">;

/** The plan of a run and the limits that follow from it. */
export interface RunPlan {
  plan: Plan;
  /** Largest number of workers whose slices fit into memory, if each has a slice of its own. */
  maxWorkers: number;
  /** Upper bound on the bytes of gradients that workers send in a step, without packing and framing. */
  incomingBytes: number;
}

/**
 * Plans a run for the workers that have joined.
 *
 * @param workers their models and measured speeds; at least one
 * @throws LockstepError ERR_SUMS if there are too many workers or fixed slices
 */
export function planRun(workers: readonly Ready[], settings: Settings, budgetBytes = sumsBudgetBytes()): RunPlan {
  const { wire, batchSize, sliceRows } = settings;
  const { tensors, factorable } = at(workers, 0);
  const slices = sliceRows === undefined ? Math.min(workers.length, batchSize) : Math.ceil(batchSize / sliceRows);
  const slowest = linksOf(workers);
  const chunkBytes = planChunkBytes(slowest.linkBytesPerSecond);
  const planFor = (links: typeof slowest | undefined): Plan => {
    return { forms: planForms({ ...settings, tensors, factorable, links }), wire, chunkBytes };
  };
  // With fixed slices, the form must not depend on the workers, so that any number of them gives the same bits.
  const fastest = planFor(sliceRows === undefined ? slowest : undefined);
  const isWithinBudget = slices <= maxSlices(makeLayout(tensors, fastest), budgetBytes);
  const plan = isWithinBudget ? fastest : planFor(undefined); // the plan with the smallest sums
  const layout = makeLayout(tensors, plan);
  assertSumsFit(layout, slices, budgetBytes);
  const most = maxSlices(layout, budgetBytes);
  const maxWorkers = sliceRows === undefined && most < batchSize ? most : Number.POSITIVE_INFINITY;
  const denseBytes = layout.denseElements * BYTES_PER_ELEMENT[wire]; // sent once for each subtree: at most for each slice
  return { plan, maxWorkers, incomingBytes: updateBytes(layout, batchSize) + (slices - 1) * denseBytes };
}

/** Returns the speeds of the slowest link and device. */
function linksOf(workers: readonly Ready[]) {
  return {
    workers: workers.length,
    linkBytesPerSecond: Math.min(...workers.map(({ linkBytesPerSecond }) => linkBytesPerSecond)),
    gemmFlopsPerSecond: Math.min(...workers.map(({ gemmFlopsPerSecond }) => gemmFlopsPerSecond)),
  };
}
