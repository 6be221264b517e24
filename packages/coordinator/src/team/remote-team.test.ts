/** Checks how workers join, resume, leave and misbehave, with recorded sessions in the place of sockets. */
import { type Plan, rawFloats } from "@lockstep/gradient-sync";
import { expect, test } from "vitest";
import {
  contribute,
  DENSE_PLAN,
  RecordedTeam,
  sendChunk,
  sentTypes,
  stepTask,
  turn,
} from "../testing/recorded-team.ts";

test("a worker that joins under a taken name is renamed, and the log says so", () => {
  const run = new RecordedTeam();
  run.join({ name: "box" });
  run.join({ name: "box" });
  expect(run.lines).toEqual([
    "box joined: d, native (1 of 2)",
    "box-1 joined, renamed because box is taken: d, native (2 of 2)",
  ]);
});

test("the resumable step is the latest step of this run whose weights a member holds", () => {
  const run = new RecordedTeam();
  expect(run.team.resumableStep).toBeUndefined();
  run.join({ holds: { run: "another", step: 9 } });
  expect(run.team.resumableStep).toBeUndefined();
  run.join({ holds: { run: "r", step: 3 } });
  run.join({ holds: { run: "r", step: 5 } });
  expect(run.team.resumableStep).toBe(5);
});

test("a run that resumes from held weights starts the workers that hold them; others catch up", async () => {
  const run = new RecordedTeam();
  const [newer, older] = [run.join({ holds: { run: "r", step: 5 } }), run.join({ holds: { run: "r", step: 4 } })];
  await run.begin({ source: { from: "held", step: 5 } });
  void run.team.step(stepTask(5), () => {});
  await turn();
  expect(sentTypes(newer)).toEqual(["start", "send-state", "assign"]);
  expect(older.sentMessages).toEqual([{ type: "start", ...DENSE_PLAN, state: "follows" }]);
});

test("a run that starts from a file sends its weights to all workers", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  const tensor = { name: "fc.bias", shape: [2], weight: Float32Array.of(1, 2), velocity: Float32Array.of(3, 4) };
  await run.begin({ source: { from: "state", tensors: [tensor], step: 7 } });
  const piece = (kind: "weight" | "velocity", values: Float32Array) => ({
    type: "load-chunk",
    tensor: 0,
    kind,
    offset: 0,
    data: new Uint8Array(values.buffer),
  });
  expect(a.sentMessages.slice(1)).toEqual([
    piece("weight", tensor.weight),
    piece("velocity", tensor.velocity),
    { type: "load-end", step: 7 },
  ]);
  expect(b.sentMessages).toEqual(a.sentMessages);
});

test("a run that starts from a file matches tensors by name, in whatever order the file has them", async () => {
  const run = new RecordedTeam();
  const stateDict = [
    { name: "fc.weight", shape: [2] },
    { name: "fc.bias", shape: [3] },
  ];
  const tensors = stateDict.map(({ name, shape }) => ({ name, shape, dtype: "float32" as const }));
  const worker = run.join({}, { stateDict, tensors });
  const state = (name: string, first: number, length: number) => ({
    name,
    shape: [length],
    weight: new Float32Array(length).fill(first),
    velocity: new Float32Array(length).fill(first + 1),
  });
  const plan: Plan = { ...DENSE_PLAN, forms: ["dense", "dense"] };
  const sorted = [state("fc.bias", 10, 3), state("fc.weight", 20, 2)]; // as PyTorch's safetensors sorts them
  await run.begin({ plan, source: { from: "state", tensors: sorted, step: 0 } });
  const loaded = worker.sentMessages.flatMap((message) =>
    message.type === "load-chunk" ? [[message.tensor, message.kind, rawFloats(message.data)]] : [],
  );
  expect(loaded).toEqual([
    [0, "weight", Float32Array.of(20, 20)],
    [0, "velocity", Float32Array.of(21, 21)],
    [1, "weight", Float32Array.of(10, 10, 10)],
    [1, "velocity", Float32Array.of(11, 11, 11)],
  ]);
});

test("a worker that leaves finishes its slice and is assigned no other", async () => {
  const run = new RecordedTeam();
  const [a, b] = [run.join(), run.join()];
  await run.begin();
  const done = run.team.step(stepTask(), () => {});
  await turn();
  a.deliver({ type: "leaving" });
  expect(sentTypes(a).at(-1)).toBe("assign");
  sendChunk(a, { subtree: 0 }, 1, 1);
  contribute(a, { subtree: 0 }, 3);
  expect(sentTypes(a).at(-1)).toBe("finished");
  expect(run.lines.at(-1)).toBe("w0 left (1 connected)");
  sendChunk(b, { subtree: 1 }, 2, 2);
  contribute(b, { subtree: 1 }, 3);
  await done;
  void run.team.step(stepTask(1), () => {});
  await turn();
  expect(b.sentMessages.at(-1)).toMatchObject({
    type: "assign",
    attempts: [{ subtree: 0, attempt: 0 }],
    sliceSamples: [6],
  });
});

test("a worker that leaves while its state is read is released when it has sent it", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  run.join();
  await run.begin();
  const state = run.team.captureState().read();
  a.deliver({ type: "leaving" });
  run.team.tick();
  expect(sentTypes(a).at(-1)).toBe("send-state");
  run.sendState(a, 0, 5);
  expect((await state)[0]?.weight).toEqual(Float32Array.of(5, 5));
  expect(sentTypes(a)).toContain("finished");
});

test("a worker that leaves before it has the weights is released at once", async () => {
  const run = new RecordedTeam();
  run.join();
  await run.begin();
  const late = run.join();
  late.deliver({ type: "leaving" });
  expect(late.sentMessages).toEqual([{ type: "finished" }]);
});

test("a message that a member may not send is an error of its connection", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  await run.begin();
  const hello = { ...a.hello };
  expect(() => a.deliver(hello)).toThrow(expect.objectContaining({ code: "ERR_MESSAGE_ORDER" }));
});

test("a message of a member that has departed is ignored", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  run.join();
  await run.begin();
  run.disconnect(a);
  expect(() => a.deliver({ type: "state-end", request: 3, step: 0 })).not.toThrow();
});

test("a run that has lost all its weights can start again with the workers that have joined since", async () => {
  const run = new RecordedTeam();
  const a = run.join();
  await run.begin();
  const step = run.team.step(stepTask(), () => {});
  step.catch(() => {});
  await turn();
  const late = run.join();
  run.disconnect(a);
  await expect(step).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
  await expect(run.team.until(() => true)).rejects.toMatchObject({ code: "ERR_ALL_LOST" });
  run.team.reset();
  expect([run.team.phase, run.team.size]).toEqual([{ name: "gathering" }, 1]);
  await run.begin();
  await run.completeStep(0);
  expect(sentTypes(late)).toEqual(["start", "assign", "update-chunk", "commit"]);
});

test("all workers are told that the run is over", async () => {
  const run = new RecordedTeam();
  const all = [run.join(), run.join()];
  await run.begin();
  run.team.finish();
  expect(all.map((session) => sentTypes(session).at(-1))).toEqual(["finished", "finished"]);
  expect(run.team.size).toBe(0);
});
