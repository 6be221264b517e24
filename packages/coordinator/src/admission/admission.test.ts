/** Checks which workers a team admits, and the reason with which it refuses the others. */
import { MAX_PARAMETERS, topologyDigest } from "@lockstep/model/files";
import { expect, test } from "vitest";
import { gathering, layersOf, type Ready, withTensor, zeroTensor } from "../testing/toy-admission.ts";
import { PLAN, READY, TOY_CODE } from "../testing/toy-model.ts";

test("a run with one slice for each worker admits no more workers than there is memory for", () => {
  const { admission, team, sessionOf } = gathering();
  admission.admit(sessionOf({}));
  admission.begin({ maxWorkers: 1 });
  expect(() => admission.admit(sessionOf({}))).toThrow(expect.objectContaining({ code: "ERR_FULL" }));
  expect(team.size).toBe(1);
});

test("a worker whose model has other weights than the first worker's is refused with that reason", () => {
  const { admission, team, sessionOf } = gathering();
  const loads = (digest: string) => sessionOf({ ownWeights: { written: 2, digest } });
  admission.admit(loads("5c"));
  admission.admit(loads("5c"));
  expect(() => admission.admit(loads("5d"))).toThrow(
    expect.objectContaining({
      code: "ERR_FINGERPRINT",
      message: expect.stringMatching(/^The weights from its model's module .* \(SHA-256 5d, expected 5c\)/),
    }),
  );
  expect(() => admission.admit(sessionOf({}))).toThrow("(SHA-256 none, expected 5c)");
  expect(team.size).toBe(2);
});

test.each<[string, Partial<Ready>]>([
  ["a tensor of 2⁵³ − 1 numbers", withTensor([2 ** 53 - 1])],
  ["a tensor beyond all numbers", withTensor(new Array<number>(8).fill(2 ** 53 - 1))],
  ["one number more than there may be", withTensor([MAX_PARAMETERS + 1])],
  ["nothing to train", { tensors: [], stateDict: [], factorable: [] }],
  ["a tensor without numbers only", withTensor([0])],
  ["other tensors in its state", { stateDict: [{ name: "kernel", shape: [6] }] }],
  ["a kernel of another size in its state", { stateDict: withTensor([5]).stateDict }],
  ["factors of it does not say which", { factorable: [true] }],
  ["factors of what is no matrix", { factorable: [true, true] }],
  ["classes without names", { numClasses: 4 }],
  ["no classes", { numClasses: 0, classes: [] }],
  ["nothing to train with", { trainSamples: 0 }],
  ["means without stds", { std: [] }],
])("a first worker is refused with %s", (_, ready) => {
  const { admission, team, sessionOf } = gathering();
  expect(() => admission.admit(sessionOf(ready))).toThrow(expect.objectContaining({ code: "ERR_MODEL" }));
  expect(team.size).toBe(0);
  admission.admit(sessionOf({}));
  expect(team.size).toBe(1);
});

test("the first worker of a resumed run is refused if its model is not that of the run, and admitted otherwise", () => {
  const { admission, team, sessionOf } = gathering({ topologyDigest: topologyDigest(JSON.parse(layersOf("relu"))) });
  const refused = () => admission.admit(sessionOf({ topology: layersOf("tanh") }));
  expect(refused).toThrow(expect.objectContaining({ code: "ERR_MODEL_CHANGED" }));
  expect(team.size).toBe(0);
  admission.admit(sessionOf({ topology: layersOf("relu", "dense_Dense7") }));
  expect(team.size).toBe(1);
});

test("the first worker is refused if the initial weights do not fit its model", () => {
  const { admission, team, sessionOf } = gathering({
    weights: [zeroTensor("kernel", [3, 2]), zeroTensor("more", [6])],
  });
  const refused = () => admission.admit(sessionOf({}));
  expect(refused).toThrow(expect.objectContaining({ code: "ERR_STATE_DICT" }));
  expect(refused).toThrow(
    /kernel has the shape \[3, 2\], expected \[2, 3\]\n {2}bias is missing\n {2}more is unexpected/,
  );
  expect(team.size).toBe(0);
});

test("the first worker is refused if it holds more updates than were made", () => {
  const { admission, sessionOf } = gathering({ updates: 7 });
  admission.admit(sessionOf({}, { holds: { run: "r", step: 7 } }));
  const refused = () => admission.admit(sessionOf({}, { holds: { run: "r", step: 8 } }));
  expect(refused).toThrow(expect.objectContaining({ code: "ERR_HOLDS" }));
});

test("a worker that holds undone updates counts as holding none", async () => {
  const { admission, team, sessionOf } = gathering({ updates: 7 });
  admission.admit(sessionOf({}));
  admission.begin({ maxWorkers: Number.POSITIVE_INFINITY });
  const tensors = READY.stateDict.map(({ name, shape }) => zeroTensor(name, shape));
  await team.begin({ plan: PLAN, source: { from: "state", tensors, step: 5 } });
  for (const step of [5, 6]) admission.admit(sessionOf({}, { holds: { run: "r", step } }));
  expect(team.members.map(({ session }) => session.hello.holds?.step)).toEqual([undefined, 5, undefined]);
});

/** An admission whose first worker has left again. */
const allLeft = (begun: boolean) => {
  const { admission, sessionOf } = gathering();
  const first = sessionOf({});
  admission.admit(first);
  if (begun) admission.begin({ maxWorkers: Number.POSITIVE_INFINITY });
  admission.onDisconnected(first, "it went");
  return { admission, sessionOf };
};

test("when all workers have left before the run started, the next one may have another model", () => {
  const { admission, sessionOf } = allLeft(false);
  admission.admit(sessionOf({ trainSamples: 23 }));
  expect(admission.first.ready.trainSamples).toBe(23);
});

test("when all workers have left a running run, the next one must match it", () => {
  const { admission, sessionOf } = allLeft(true);
  expect(() => admission.admit(sessionOf({ trainSamples: 23 }))).toThrow("Its trainSamples is 23, but w");
  expect(admission.first.ready.trainSamples).toBe(READY.trainSamples);
});

test.each([
  [{ version: "0.9" }, "Expected version toy of Lockstep, got 0.9;"],
  [{ arithmetic: 999 }, /^Expected arithmetic version \d+, got 999;/],
])("a worker whose code is another is refused by the coordinator: %o", (other, text) => {
  const { admission, sessionOf } = gathering();
  const refused = () => admission.admit(sessionOf({ code: { ...TOY_CODE, ...other } }));
  expect(refused).toThrow(expect.objectContaining({ code: "ERR_FINGERPRINT" }));
  expect(refused).toThrow(text);
});

test("a second worker is refused if it draws other random numbers under the same version", () => {
  const { admission, sessionOf } = gathering();
  admission.admit(sessionOf({}));
  const refused = () => admission.admit(sessionOf({ code: { ...TOY_CODE, draws: "e" } }));
  expect(refused).toThrow(expect.objectContaining({ code: "ERR_FINGERPRINT" }));
  expect(refused).toThrow('Its code.draws is "e", but w');
});

test("admission to a running run reports each worker that is admitted, and no other", () => {
  const { admission, team, sessionOf } = gathering();
  const sizes: number[] = [];
  admission.begin({ maxWorkers: Number.POSITIVE_INFINITY, onJoined: () => sizes.push(team.size) });
  admission.admit(sessionOf({}));
  admission.admit(sessionOf({}, { threads: 4 }));
  expect(() => admission.admit(sessionOf({ trainSamples: 23 }))).toThrow();
  expect(sizes).toEqual([1, 2]);
});

test("a second worker is refused with the field in which it differs from the first", () => {
  const { admission, sessionOf } = gathering();
  admission.admit(sessionOf({}));
  const refused = () => admission.admit(sessionOf({ trainSamples: 23 }));
  expect(refused).toThrow("Its trainSamples is 23, but w");
  expect(() => admission.admit(sessionOf({ fingerprint: "f" }))).toThrow("Its fingerprint is f, but");
});

test("a second worker is refused with the path at which its layers differ from those of the first", () => {
  const { admission, team, sessionOf } = gathering();
  admission.admit(sessionOf({ topology: layersOf("relu") }));
  const refused = () => admission.admit(sessionOf({ topology: layersOf("tanh") }));
  expect(refused).toThrow(expect.objectContaining({ code: "ERR_FINGERPRINT" }));
  expect(refused).toThrow(/^Its model\.config\.layers\.0\.config\.activation is "tanh", but w\d+ has "relu"; give all/);
  expect(team.size).toBe(1);
});

test("a second worker shares the topology of the first, since unnamed layers may have other names", () => {
  const { admission, sessionOf } = gathering();
  const [topology, other] = [layersOf("relu", "dense_Dense1"), layersOf("relu", "dense_Dense7")];
  const [first, second] = [sessionOf({ topology }), sessionOf({ topology: other, gemmFlopsPerSecond: 5 })];
  admission.admit(first);
  admission.admit(second);
  expect(second.ready.topology).toBe(topology);
  expect(second.ready.gemmFlopsPerSecond).toBe(5);
});

test("a worker cannot have the name of another worker, even of one that was renamed", () => {
  const { admission, team, sessionOf } = gathering();
  admission.admit(sessionOf({}, { name: "a" }));
  admission.admit(sessionOf({}, { name: "a-2" }));
  expect(() => admission.admit(sessionOf({}, { name: "a" }))).toThrow(expect.objectContaining({ code: "ERR_NAME" }));
  expect(team.size).toBe(2);
});
