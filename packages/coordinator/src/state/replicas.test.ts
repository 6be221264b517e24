/** Checks comparisons of replicas with scripted workers, one of which drifts, is wrong or is lost at each stage. */
import { expect, test } from "vitest";
import { outcomeOf, RecordedTeam, sentTypes, turn } from "../testing/recorded-team.ts";

test("a replica check passes if all digests are equal", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin();
  const checked = run.team.checkReplicas();
  run.replyDigest(b, "x");
  run.replyDigest(a, "x");
  await checked;
});

test("a replica check fails if devices of one kind differ, and names the worker that joined later", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin();
  const checked = run.team.checkReplicas();
  run.replyDigest(b, "y");
  run.replyDigest(a, "x");
  await expect(checked).rejects.toMatchObject({
    code: "ERR_REPLICA",
    message: expect.stringContaining(
      "The weights of w1 differ from those of w0, although their devices are of the same kind",
    ),
  });
});

test("a replica check overwrites a drifted replica on another kind of device with the state of the reference", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join({ backend: "wasm" })];
  await run.begin();
  const checked = run.team.checkReplicas();
  run.replyDigest(a, "x");
  run.replyDigest(b, "y");
  await turn();
  run.sendState(a, 0, 3);
  await turn();
  expect(sentTypes(b).slice(1)).toEqual(["digest", "load-chunk", "load-chunk", "load-end"]);
  b.deliver({ type: "loaded", largestDifference: 0.00125 });
  await checked;
  expect(run.lines.at(-1)).toBe(
    "w1 had drifted from w0 by up to 1.3e-3, because their devices round differently; w1 now has the weights of w0",
  );
});

test("a replica check ends when the worker with the right state is lost after its response and before those of the others", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join({ backend: "native" }), run.join({ backend: "wasm" })];
  await run.begin();
  const checked = run.team.checkReplicas();
  run.replyDigest(a, "x");
  run.disconnect(a);
  run.replyDigest(b, "y");
  expect(await outcomeOf(checked)).toBe("done");
  expect(run.lines.at(-1)).toBe("w0 was lost: its connection closed (1 connected)");
});

test("a replica check ends when the worker with the right state is lost while others load it: the state of one of them is then the right one", async () => {
  const run = new RecordedTeam();
  const [a, b, c] = [run.join({ backend: "native" }), run.join({ backend: "wasm" }), run.join({ backend: "webgpu" })];
  await run.begin();
  const checked = run.team.checkReplicas();
  run.replyDigest(a, "x");
  run.replyDigest(b, "y");
  run.replyDigest(c, "z");
  await turn();
  expect(a.sentMessages.at(-1)).toMatchObject({ type: "send-state", request: 0 });
  run.disconnect(a);
  await turn();
  run.replyDigest(b, "y");
  run.replyDigest(c, "z");
  await turn();
  run.sendState(b, 1, 3);
  await turn();
  expect(sentTypes(c).slice(-3)).toEqual(["load-chunk", "load-chunk", "load-end"]);
  c.deliver({ type: "loaded", largestDifference: 0.5 });
  expect(await outcomeOf(checked)).toBe("done");
});

test("a replica check ends when a worker that drifted is lost before it has loaded the right state", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join({ backend: "native" }), run.join({ backend: "wasm" })];
  await run.begin();
  const checked = run.team.checkReplicas();
  run.replyDigest(a, "x");
  run.replyDigest(b, "y");
  await turn();
  run.sendState(a, 0, 3);
  await turn();
  expect(sentTypes(b).at(-1)).toBe("load-end");
  run.disconnect(b);
  expect(await outcomeOf(checked)).toBe("done");
});

test("a replica check ends when a worker with wrong weights is lost before the others respond, and they continue without it", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join({ backend: "native" }), run.join({ backend: "native" })];
  await run.begin();
  const checked = run.team.checkReplicas();
  run.replyDigest(b, "y");
  run.disconnect(b);
  run.replyDigest(a, "x");
  expect(await outcomeOf(checked)).toBe("done");
});

test("a replica check rejects when all workers are lost", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join({ backend: "native" }), run.join({ backend: "wasm" })];
  await run.begin();
  const checked = run.team.checkReplicas();
  run.replyDigest(a, "x");
  run.disconnect(a);
  run.disconnect(b);
  expect(await outcomeOf(checked)).toBe("No worker is left that holds the weights.");
});

test("a worker with wrong weights is named if another worker has the same device, whichever group is the reference", async () => {
  const run = new RecordedTeam();
  const [a, b, c] = [run.join({ backend: "native" }), run.join({ backend: "native" }), run.join({ backend: "wasm" })];
  await run.begin();
  const d = run.join({ backend: "wasm" });
  run.team.tick();
  run.sendState(c, 0, 3);
  await turn();
  d.deliver({ type: "synced" });
  await turn();
  const checked = run.team.checkReplicas();
  for (const [session, digest] of [
    [a, "x"],
    [b, "x"],
    [c, "y"],
    [d, "z"],
  ] as const)
    run.replyDigest(session, digest);
  await expect(checked).rejects.toThrow(
    "The weights of w3 differ from those of w2, although their devices are of the same kind",
  );
});

test("a state is read from a late joiner that is catching up, if the last worker that had the state is lost", async () => {
  const run = new RecordedTeam();
  const a = run.join({ backend: "native" });
  await run.begin();
  const late = run.join();
  run.team.tick();
  run.sendState(a, 0, 3);
  await turn();
  expect([run.stateOf(late), sentTypes(late).at(-1)]).toEqual(["replaying", "sync"]);
  const state = run.team.captureState().read();
  run.disconnect(a);
  expect(await outcomeOf(state)).toBe("waits");
  late.deliver({ type: "synced" });
  await turn();
  expect(late.sentMessages.at(-1)).toMatchObject({ type: "send-state", request: 2 });
  run.sendState(late, 2, 4);
  expect((await state)[0]?.weight).toEqual(Float32Array.of(4, 4));
});

test("a state is lost with its worker if the late joiners have applied further updates meanwhile", async () => {
  const run = new RecordedTeam();
  const a = run.join({ backend: "native" });
  await run.begin();
  const late = run.join();
  run.team.tick();
  run.sendState(a, 0, 3);
  await turn();
  const state = run.team.captureState().read();
  state.catch(() => {});
  await run.completeStep(0);
  run.disconnect(a);
  await expect(state).rejects.toMatchObject({ code: "ERR_STATE_LOST" });
  expect(run.stateOf(late)).toBe("replaying");
});

test("a state is lost with the last worker if there is no late joiner", async () => {
  const run = new RecordedTeam();
  const a = run.join({ backend: "native" });
  await run.begin();
  const state = run.team.captureState().read();
  run.disconnect(a);
  expect(await outcomeOf(state)).toBe("No worker is left that holds the weights.");
});
