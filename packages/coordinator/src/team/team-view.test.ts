/** Checks that a view of the team has no side effects, and that idle time never counts as a stall. */
import { at } from "@lockstep/errors";
import { makeLayout, type Plan, StepRound, toStep, toSubtreeId } from "@lockstep/gradient-sync";
import { expect, test } from "vitest";
import { RecordedSession } from "../testing/recorded-member.ts";
import { contribute, RecordedTeam, sendChunk, sentTypes } from "../testing/recorded-team.ts";
import { makeActiveRun } from "./active-run.ts";
import { TeamState } from "./team-state.ts";
import { teamView } from "./team-view.ts";

const PLAN: Plan = { forms: ["dense"], wire: "fp32", chunkBytes: 8 };
const TENSORS = [{ name: "bias", shape: [2], dtype: "float32" as const }];
const TASK = { type: "step" as const, step: toStep(0), epoch: 0, start: 0, end: 6, learningRate: 0.1 };
const STALL_MS = 60_000;

/** A team of three members with recorded sessions, whose clock the test sets. */
class RecordedState {
  nowMs = 0;
  readonly state = new TeamState({
    workers: 3,
    minWorkers: 1,
    heartbeatMs: 1000,
    stallMs: STALL_MS,
    maxLogBytes: 1e6,
    balance: "even",
    runId: "r",
    log: () => {},
    nowMs: () => this.nowMs,
  });
  readonly sessions = [0, 1, 2].map((id) => new RecordedSession(id, {}, { tensors: TENSORS }));
  readonly members = this.sessions.map((session) => this.state.membership.add(session, 0));

  constructor() {
    for (const member of this.members) member.activate();
  }

  /** Begins a step in which the first two members have a subtree, and the third has nothing to do. */
  beginStep(): void {
    const { state, members, sessions } = this;
    const { maxLogBytes, log } = state.options;
    const parts = { ...state, maxLogBytes, log, drop: () => {} };
    const run = makeActiveRun({ plan: PLAN, source: { from: "seed" } }, at(sessions, 0).ready, parts);
    const subtrees = [0, 1].map((subtree) => ({
      start: 3 * subtree,
      end: 3 * subtree + 3,
      sliceSamples: [3],
    }));
    const round = new StepRound(TASK, subtrees, makeLayout(TENSORS, PLAN));
    state.phase.enter({ name: "stepping", run, round });
    state.assignments.assign(at(members, 0), [toSubtreeId(0)], round);
    state.assignments.assign(at(members, 1), [toSubtreeId(1)], round);
    at(members, 2).speed = 1;
  }

  /** Returns copies of all that the state holds of its members, and how far the run is. */
  facts() {
    return {
      members: this.members.map((member) => ({ ...member, state: member.state, progressMs: member.progressMs })),
      sent: this.sessions.map(({ sent }) => sent.length),
      phase: { ...this.state.phase.now },
      updates: this.state.progress.updatesMade,
    };
  }
}

test("the view of a team is the same when it is built twice, and changes nothing", () => {
  const team = new RecordedState();
  team.beginStep();
  team.nowMs = 5000;
  const before = team.facts();
  const view = teamView(team.state);
  expect(teamView(team.state)).toEqual(view);
  expect(team.facts()).toEqual(before);
  expect(view.workers.map(({ owes, progressMs }) => [owes, progressMs])).toEqual([
    [true, 0],
    [true, 0],
    [false, 0],
  ]);
  expect(view.openSubtrees.map(({ id, attempts }) => [id, attempts.length])).toEqual([
    [0, 1],
    [1, 1],
  ]);
});

test("the view of a team has no open subtrees between steps, and is as pure then", () => {
  const team = new RecordedState();
  team.nowMs = 5000;
  expect(teamView(team.state)).toEqual(teamView(team.state));
  expect(teamView(team.state)).toMatchObject({ openSubtrees: [], workers: [{ progressMs: 0 }, {}, {}] });
});

test("a member that owes only pieces of its state counts as busy since they were requested", () => {
  const team = new RecordedState();
  team.nowMs = 5000;
  const request = { stateDict: [{ name: "bias", shape: [2] }], step: 0 };
  void team.state.streams.request(at(team.members, 0), request, async () => {});
  expect(teamView(team.state).workers[0]).toMatchObject({ owes: true, progressMs: 5000 });
  team.beginStep();
  expect(teamView(team.state).workers[0]).toMatchObject({ owes: true, progressMs: 0 });
});

/** A run of three workers, none of which owes anything. */
async function idleRun() {
  const run = new RecordedTeam({ stallMs: STALL_MS });
  const workers = { first: run.join(), second: run.join(), third: run.join() };
  await run.begin();
  return { run, ...workers };
}

/** Lets time pass in which all are heard, but nobody looks at the team. */
function passMs(run: RecordedTeam, ms: number): void {
  run.nowMs += ms;
  for (const session of run.sessions) session.heardMs = run.nowMs;
}

/** Asserts that the workers stall only when their time is over from now on. */
function assertTimesAddUp(run: RecordedTeam, workers: readonly RecordedSession[]): void {
  passMs(run, STALL_MS);
  run.team.tick();
  expect(workers.map(({ closed }) => closed)).toEqual(workers.map(() => undefined));
  passMs(run, 1);
  run.team.tick();
  expect(workers.map(({ closed }) => closed)).toEqual(workers.map(() => "ERR_STALLED"));
}

test("a worker that was idle for longer than the stall limit has the whole limit from the assignment of a subtree", async () => {
  const { run } = await idleRun();
  passMs(run, 10 * STALL_MS);
  run.team.step(TASK, () => {}).catch(() => {}); // nobody is left in the end
  assertTimesAddUp(run, run.sessions);
});

test("a worker that was idle for longer than the stall limit has the whole limit from the assignment of an evaluation", async () => {
  const { run } = await idleRun();
  passMs(run, 10 * STALL_MS);
  const task = { type: "evaluate" as const, split: "validation" as const, samples: 384, epoch: 0, step: 0 };
  run.team.evaluate(task).catch(() => {}); // nobody is left in the end
  assertTimesAddUp(run, run.sessions);
});

test("a worker that was idle for longer than the stall limit has the whole limit from the request to resend pieces", async () => {
  const { run, first, second, third } = await idleRun();
  run.team.step(TASK, () => {}).catch(() => {}); // nobody is left in the end
  for (const [subtree, session] of run.sessions.entries()) sendChunk(session, { subtree }, 1, 1);
  contribute(first, { subtree: 0 }, 2);
  contribute(third, { subtree: 2 }, 2);
  passMs(run, 10 * STALL_MS);
  run.disconnect(second); // the sum held what it had sent: it is made again
  expect([first, third].map(sentTypes)).toEqual([
    expect.arrayContaining(["withdrawn"]),
    expect.arrayContaining(["withdrawn"]),
  ]);
  assertTimesAddUp(run, [first, third]);
});
