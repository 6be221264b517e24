/** What is settled when a run begins: it holds until nobody has its weights any more. */
import { BufferPool, makeLayout } from "@lockstep/gradient-sync";
import type { Ready } from "../connections/ready-session.ts";
import type { RunStart } from "../state/initial-state.ts";
import { LateJoin } from "../state/late-join.ts";
import { Replicas } from "../state/replicas.ts";
import type { Drop } from "./departures.ts";
import type { ActiveRun } from "./phase.ts";
import type { TeamState } from "./team-state.ts";

/** Settles how a run of these workers goes: all of them have told the same of the model. */
export function activeRun(
  { plan, sliceRows }: RunStart,
  { tensors, stateDict, numClasses }: Ready,
  state: TeamState,
  drop: Drop,
): ActiveRun {
  const { condition, membership, options, progress, requests, streams } = state;
  const { maxLogBytes, log } = options;
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
