/** Checks the reading of a state from scripted workers that are lost, slow, or an update ahead. */
import { expect, test } from "vitest";
import { RecordedTeam, sentTypes, turn } from "../testing/recorded-team.ts";

test("a captured state has the names of the state dict", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  await run.begin();
  const state = run.team.captureState().read();
  run.sendState(a, 0, 3);
  expect(await state).toEqual([
    { name: "fc.bias", shape: [2], weight: Float32Array.of(3, 3), velocity: Float32Array.of(-3, -3) },
  ]);
});

test("a state is read from another worker if the first is lost before the next update", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin();
  const state = run.team.captureState().read();
  run.disconnect(a);
  await turn();
  expect(b.sentMessages.at(-1)).toMatchObject({ type: "send-state", request: 1 });
  run.sendState(b, 1, 4);
  expect((await state)[0]?.weight).toEqual(Float32Array.of(4, 4));
});

test("a state is lost with its worker if the others have applied an update since", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  run.join();
  await run.begin();
  const state = run.team.captureState().read();
  state.catch(() => {});
  await run.completeStep(0);
  run.disconnect(a);
  await expect(state).rejects.toMatchObject({
    code: "ERR_STATE_LOST",
    message: expect.stringContaining("w0 was lost"),
  });
});

test("a state cannot be read when no worker holds the weights any more", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  await run.begin();
  const state = run.team.captureState().read();
  state.catch(() => {});
  run.disconnect(a);
  await expect(state).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
});

test("a state is read from the fastest worker", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin();
  for (const [index, member] of run.team.members.entries()) member.speed = index + 1;
  void run.team.captureState().read();
  expect([sentTypes(a).at(-1), sentTypes(b).at(-1)]).toEqual(["start", "send-state"]);
});

test.each([
  [1e9, 32],
  [12.5e6, 4], // 0.3 s of 100 Mbit/s
  [1e5, 1],
])("a state over a link of %d bytes per second is requested with a window of %d chunks", async (speed, window) => {
  const run = new RecordedTeam();
  const a = run.join({}, { linkBytesPerSecond: speed });
  await run.begin();
  void run.team.captureState().read();
  expect(a.sentMessages.at(-1)).toMatchObject({ type: "send-state", window });
});

test("late joiners with slow links get their snapshot after those with fast ones", async () => {
  const run = new RecordedTeam();
  const source = run.join();
  await run.begin();
  const [slow, fast] = [run.join({}, { linkBytesPerSecond: 1e6 }), run.join()];
  run.team.tick();
  slow.draining = new Promise(() => {}); // it reads nothing for now
  run.sendState(source, 0, 3);
  await turn();
  expect([sentTypes(fast).slice(0, 3), sentTypes(slow)]).toEqual([["start", "load-chunk", "load-chunk"], []]);
  fast.deliver({ type: "synced" });
  await turn();
  expect(run.team.members.map(({ state }) => state)).toEqual(["in", "loading", "in"]);
  expect(sentTypes(slow)).toEqual(["start"]);
});
