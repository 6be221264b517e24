import { at } from "@lockstep/errors";
import { encodeFloats, makeLayout, type Plan, StepRound, toSliceId, toStep } from "@lockstep/gradient-sync";
import { defined } from "@lockstep/testing";
import { beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../membership/members.ts";
import { RecordedSession } from "../testing/recorded-member.ts";
import { RecordedTeam, sentTypes } from "../testing/recorded-team.ts";
import { makeActiveRun } from "./active-run.ts";
import { TeamState } from "./team-state.ts";
import { teamView } from "./team-view.ts";

const PLAN: Plan = { forms: ["dense"], wire: "fp32", chunkBytes: 8 };
const TENSORS = [{ name: "bias", shape: [2], dtype: "float32" as const }];
const TASK = { type: "step" as const, step: toStep(0), epoch: 0, start: 0, end: 6, learningRate: 0.1 };
const STALL_MS = 60_000;

describe("the view of a team", () => {
  let nowMs: number;
  let state: TeamState;
  let members: Member[];
  let sessions: RecordedSession[];
  beforeEach(() => {
    nowMs = 0;
    const limits = { workers: 3, minWorkers: 1, heartbeatMs: 1000, stallMs: STALL_MS, maxLogBytes: 1e6 };
    state = new TeamState({ ...limits, balance: "even", runId: "r", log: () => {}, nowMs: () => nowMs });
    sessions = [0, 1, 2].map((id) => new RecordedSession(id, {}, { tensors: TENSORS }));
    members = sessions.map((session) => state.membership.add(session, nowMs));
    for (const member of members) member.activate();
  });

  /** Begins a step in which the first two members have a slice, and the third has nothing to do. */
  function stepping(): StepRound {
    const [first, second, third] = members;
    const { maxLogBytes, log } = state.options;
    const parts = { ...state, maxLogBytes, log, drop: () => {} };
    const run = makeActiveRun({ plan: PLAN, source: { from: "seed" } }, at(sessions, 0).ready, parts);
    const slices = [0, 1].map((slice) => ({ slice: toSliceId(slice), start: 3 * slice, end: 3 * slice + 3 }));
    const round = new StepRound(TASK, slices, makeLayout(TENSORS, PLAN));
    state.phase.enter({ name: "stepping", run, round });
    state.assignments.assign(defined(first, "the first worker"), [toSliceId(0)], round);
    state.assignments.assign(defined(second, "the second worker"), [toSliceId(1)], round);
    defined(third, "the third worker").speed = 1;
    return round;
  }

  /** Copies of all that the state holds of its members, and how far the run is. */
  const facts = () => ({
    members: members.map((member) => ({ ...member, state: member.state, progressMs: member.progressMs })),
    sent: sessions.map(({ sent }) => sent.length),
    phase: { ...state.phase.now },
    updates: state.progress.updatesMade,
  });

  test("is the same when it is built twice, and changes nothing", () => {
    stepping();
    nowMs = 5000;
    const before = facts();
    const view = teamView(state);
    expect(teamView(state)).toEqual(view);
    expect(facts()).toEqual(before);
    expect(view.workers.map(({ owes, progressMs }) => [owes, progressMs])).toEqual([
      [true, 0],
      [true, 0],
      [false, 0],
    ]);
    expect(view.openSlices.map(({ slice, attempts }) => [slice, attempts.length])).toEqual([
      [0, 1],
      [1, 1],
    ]);
  });

  test("has no open slices between steps, and is as pure then", () => {
    nowMs = 5000;
    expect(teamView(state)).toEqual(teamView(state));
    expect(teamView(state)).toMatchObject({ openSlices: [], workers: [{ progressMs: 0 }, {}, {}] });
  });

  test("takes a member that owes only pieces of its state to be at them since they were asked for", () => {
    nowMs = 5000;
    void state.streams.request(at(members, 0), { stateDict: [{ name: "bias", shape: [2] }], step: 0 }, async () => {});
    expect(teamView(state).workers[0]).toMatchObject({ owes: true, progressMs: 5000 });
    stepping();
    expect(teamView(state).workers[0]).toMatchObject({ owes: true, progressMs: 0 });
  });
});

describe("a worker that owed nothing for longer than workers may stall has its whole time from when", () => {
  let run: RecordedTeam;
  let sessions: RecordedSession[];
  beforeEach(async () => {
    run = new RecordedTeam({ stallMs: STALL_MS });
    sessions = [run.join(), run.join(), run.join()];
    await run.begin();
  });

  /** Lets time pass in which all are heard, but nobody looks at the team. */
  function passMs(ms: number): void {
    run.nowMs += ms;
    for (const session of sessions) session.heardMs = run.nowMs;
  }

  function sendPiece(session: RecordedSession, slice: number): void {
    const piece = { part: 0, offset: 0, ...encodeFloats(Float32Array.of(1, 1), "fp32") };
    session.deliver({ type: "gradient-chunk", step: toStep(0), slice: toSliceId(slice), attempt: 0, ...piece });
  }

  function contribute(session: RecordedSession, slice: number): void {
    const sums = { samples: 2, lossSum: 1, correct: 0, ms: {}, io: {}, doneMs: 0 };
    session.deliver({ type: "contribution", step: toStep(0), slice: toSliceId(slice), attempt: 0, ...sums });
  }

  /** Asserts that the workers stall only when their time is over from now on. */
  function assertTimesAddUp(workers: readonly RecordedSession[]): void {
    passMs(STALL_MS);
    run.team.tick();
    expect(workers.map(({ closed }) => closed)).toEqual(workers.map(() => undefined));
    passMs(1);
    run.team.tick();
    expect(workers.map(({ closed }) => closed)).toEqual(workers.map(() => "ERR_STALLED"));
  }

  test("it is given a slice", () => {
    passMs(10 * STALL_MS);
    run.team.step(TASK, () => {}).catch(() => {}); // nobody is left in the end
    assertTimesAddUp(sessions);
  });

  test("it is given a range to evaluate", () => {
    passMs(10 * STALL_MS);
    const task = { type: "evaluate" as const, split: "validation" as const, samples: 384, epoch: 0, step: 0 };
    run.team.evaluate(task).catch(() => {}); // nobody is left in the end
    assertTimesAddUp(sessions);
  });

  test("it is asked for pieces again", () => {
    const [first, second, third] = sessions as [RecordedSession, RecordedSession, RecordedSession];
    run.team.step(TASK, () => {}).catch(() => {}); // nobody is left in the end
    for (const [slice, session] of sessions.entries()) sendPiece(session, slice);
    contribute(first, 0);
    contribute(third, 2);
    passMs(10 * STALL_MS);
    run.disconnect(second); // the sum held what it had sent: it is made again
    expect([first, third].map(sentTypes)).toEqual([
      expect.arrayContaining(["withdrawn"]),
      expect.arrayContaining(["withdrawn"]),
    ]);
    assertTimesAddUp([first, third]);
  });
});
