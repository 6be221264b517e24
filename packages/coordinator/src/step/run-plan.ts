/** How the gradients of a run travel, and how many workers may take part: by who is here, and what can be added up. */

import type { RunConfig } from "@lockstep/config";
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

/** The plan of a run, and the limits that follow from it. */
export interface RunPlan {
  plan: Plan;
  /** Most workers whose slices can be added up, where each has one of its own. */
  mostWorkers: number;
  /** Bytes that workers send in a step, neither packed nor with what surrounds the numbers. */
  incomingBytes: number;
}

/**
 * Plans a run for the workers that are here.
 *
 * @param workers their measures and models
 * @throws LockstepError ERR_SUMS if they are too many, or the fixed slices
 */
export function planRun(workers: readonly Ready[], settings: Settings, budgetBytes = sumsBudgetBytes()): RunPlan {
  const { wire, batchSize, sliceRows } = settings;
  const { tensors, factorable } = workers[0]!;
  const slices = sliceRows === undefined ? Math.min(workers.length, batchSize) : Math.ceil(batchSize / sliceRows);
  const slowest = linksOf(workers);
  const chunkBytes = planChunkBytes(slowest.linkBytesPerSecond);
  const planFor = (links: typeof slowest | undefined): Plan => {
    return { forms: planForms({ ...settings, tensors, factorable, links }), wire, chunkBytes };
  };
  // With fixed slices the form must not depend on who is here: then any number of workers gives the same bits.
  const fastest = planFor(sliceRows === undefined ? slowest : undefined);
  const isWithinBudget = slices <= maxSlices(makeLayout(tensors, fastest), budgetBytes);
  const plan = isWithinBudget ? fastest : planFor(undefined); // which has as little to add up as can be
  const layout = makeLayout(tensors, plan);
  assertSumsFit(layout, slices, budgetBytes);
  const most = maxSlices(layout, budgetBytes);
  const mostWorkers = sliceRows === undefined && most < batchSize ? most : Number.POSITIVE_INFINITY;
  const denseBytes = layout.denseElements * BYTES_PER_ELEMENT[wire]; // which come once for each slice
  return { plan, mostWorkers, incomingBytes: updateBytes(layout, batchSize) + (slices - 1) * denseBytes };
}

/** The slowest of the links and devices. */
function linksOf(workers: readonly Ready[]) {
  return {
    workers: workers.length,
    linkBytesPerSecond: Math.min(...workers.map(({ linkBytesPerSecond }) => linkBytesPerSecond)),
    gemmFlopsPerSecond: Math.min(...workers.map(({ gemmFlopsPerSecond }) => gemmFlopsPerSecond)),
  };
}
