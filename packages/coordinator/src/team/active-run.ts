/** An active run: what is fixed from its start until no worker holds its weights any more. */
import { BufferPool, type Layout, makeLayout } from "@lockstep/gradient-sync";
import type { Ready } from "../connections/ready-session.ts";
import type { Condition } from "../membership/condition.ts";
import type { Membership } from "../membership/membership.ts";
import type { RunStart } from "../state/initial-state.ts";
import { LateJoin, type LateJoinOptions } from "../state/late-join.ts";
import { Replicas } from "../state/replicas.ts";
import type { Progress } from "../step/progress.ts";

/** The parts of a run that exist while some worker holds its weights. */
export interface ActiveRun {
  layout: Layout;
  /** Rows of each slice; undefined where slices follow the workers' speeds. */
  sliceRows: number | undefined;
  numClasses: number;
  lateJoin: LateJoin;
  replicas: Replicas;
  /** Buffers into which dense chunks are decoded, in the sizes of the layout. */
  buffers: BufferPool;
}

/** The parts of a team that an active run uses. */
export interface ActiveRunOptions
  extends Pick<LateJoinOptions, "streams" | "requests" | "maxLogBytes" | "drop" | "log"> {
  condition: Condition;
  membership: Membership;
  progress: Progress;
}

/** Builds the active run of workers that have all reported the same model as `ready`. */
export function makeActiveRun(
  { plan, sliceRows }: RunStart,
  { tensors, stateDict, numClasses }: Ready,
  options: ActiveRunOptions,
): ActiveRun {
  const { condition, membership, progress, requests, streams, maxLogBytes, drop, log } = options;
  return {
    layout: makeLayout(tensors, plan),
    sliceRows,
    numClasses,
    lateJoin: new LateJoin({ streams, requests, plan, stateDict, maxLogBytes, drop, log }),
    replicas: new Replicas({
      streams,
      requests,
      condition,
      stateDict,
      log,
      holders: () => membership.holders,
      updates: () => progress.updatesMade,
    }),
    buffers: new BufferPool(),
  };
}
