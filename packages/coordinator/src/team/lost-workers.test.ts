/** Checks what is left of a join and of an evaluation when a scripted worker is lost at each stage of it. */
import { expect, test } from "vitest";
import type { RecordedSession } from "../testing/recorded-member.ts";
import { outcomeOf, RecordedTeam, sentTypes, turn } from "../testing/recorded-team.ts";

/** Has a worker that joined say that it has loaded its snapshot and made all updates since. */
async function catchUp(session: RecordedSession): Promise<void> {
  session.deliver({ type: "synced" });
  await turn();
}

test("workers that join are let go if the worker whose state they get is lost, and another's is asked for when they come again", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin();
  const late = run.join();
  run.team.tick();
  expect(sentTypes(a).at(-1)).toBe("send-state");
  run.disconnect(a);
  await turn();
  expect(late.closed).toBe("ERR_STATE_LOST");
  const again = run.join();
  run.team.tick();
  expect(b.sentMessages.at(-1)).toMatchObject({ type: "send-state", request: 1 });
  run.sendState(b, 1, 3);
  await turn();
  await catchUp(again);
  expect(run.stateOf(again)).toBe("in");
});

test("workers that join do not keep others waiting if they are lost before the state has come", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  await run.begin();
  const lost = run.join();
  run.team.tick();
  const next = run.join();
  run.disconnect(lost);
  run.sendState(a, 0, 3);
  await turn();
  expect(a.sentMessages.at(-1)).toMatchObject({ type: "send-state", request: 1 });
  run.sendState(a, 1, 3);
  await turn();
  await catchUp(next);
  expect(run.stateOf(next)).toBe("in");
});

test("workers that join do not keep others waiting if they are lost when all of it has come", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  await run.begin();
  const [lost, other] = [run.join(), run.join()];
  run.team.tick();
  run.sendState(a, 0, 3);
  await turn();
  await catchUp(other);
  expect(run.stateOf(other)).toBe("replaying"); // both were asked at once
  run.disconnect(lost);
  await turn();
  expect(run.stateOf(other)).toBe("in");
});

test("workers that join wait for a source that has come to a halt only as long as workers may stall", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin();
  const late = run.join();
  run.team.tick();
  for (const session of [a, b, late]) session.heardMs = 60_001;
  run.nowMs = 60_001;
  run.team.tick();
  await turn();
  expect([a.closed, b.closed, late.closed]).toEqual(["ERR_STALLED", undefined, "ERR_STATE_LOST"]);
});

const TASK = { type: "evaluate" as const, split: "validation" as const, samples: 128, epoch: 0, step: 0 };
const COUNTS = {
  samples: 64,
  lossSum: 1,
  confusion: [
    [64, 0],
    [0, 0],
  ],
};
const reply = (session: RecordedSession, request: number) =>
  session.deliver({ type: "evaluation", request, ...COUNTS });
const requests = ({ sentMessages }: RecordedSession) =>
  sentMessages.flatMap((message) => (message.type === "evaluate" ? message.request : []));

test("an evaluation of which a worker answers a part and is lost gives the rest to another, and counts each sample once", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin();
  const evaluation = run.team.evaluate({ ...TASK, samples: 256 });
  expect([requests(a), requests(b)]).toEqual([
    [0, 1],
    [2, 3],
  ]);
  reply(a, 0);
  run.disconnect(a);
  reply(b, 2);
  reply(b, 3);
  expect(requests(b)).toEqual([2, 3, 1]);
  reply(b, 1);
  expect(await evaluation).toMatchObject({ samples: 256, lossSum: 4 });
});

test("an evaluation whose last worker is lost goes on with one that still catches up", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  await run.begin();
  const late = run.join();
  run.team.tick();
  run.sendState(a, 0, 3);
  await turn();
  const evaluation = run.team.evaluate(TASK);
  reply(a, 0);
  run.disconnect(a);
  expect(await outcomeOf(evaluation)).toBe("waits");
  await catchUp(late);
  reply(late, 1);
  expect(await evaluation).toMatchObject({ samples: 128, lossSum: 2 });
});

test("an evaluation whose workers are all lost ends with the error that says so, and the next one begins anew", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  await run.begin();
  const evaluation = run.team.evaluate(TASK);
  run.disconnect(a);
  expect(await outcomeOf(evaluation)).toBe("No worker is left that holds the weights.");
  run.team.reset();
  const next = run.join();
  await run.begin();
  const again = run.team.evaluate(TASK);
  expect(requests(next)).toEqual([2, 3]);
  reply(next, 2);
  reply(next, 3);
  expect(await again).toMatchObject({ samples: 128, lossSum: 2 });
});
