/** Checks joins and evaluations during which a scripted worker is lost, at each of their stages. */
import { expect, test } from "vitest";
import type { RecordedSession } from "../testing/recorded-member.ts";
import { outcomeOf, RecordedTeam, sentTypes, turn } from "../testing/recorded-team.ts";

/** Makes a late joiner report that it has loaded its snapshot and applied all updates since. */
async function catchUp(session: RecordedSession): Promise<void> {
  session.deliver({ type: "synced" });
  await turn();
}

test("a late joiner is disconnected if the source of its state is lost, and gets the state of another worker when it joins again", async () => {
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

test("a late joiner that is lost before it has received the state delays no other late joiner", async () => {
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

test("a late joiner that is lost after it has received the state delays no other late joiner", async () => {
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

test("a late joiner is disconnected when the source of its state is dropped because it has stalled", async () => {
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

test("an evaluation assigns the missing ranges of a lost worker to another one, and counts each sample once", async () => {
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

test("an evaluation whose last worker is lost continues with a late joiner that has caught up", async () => {
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

test("an evaluation whose workers are all lost rejects, and the next one starts from its first range", async () => {
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
