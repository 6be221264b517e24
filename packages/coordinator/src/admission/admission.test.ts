import { makeConfig } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import type { TfjsTopology } from "@lockstep/formats";
import { decodeFromWorker, encode, factsOf, fingerprintOf, type MessageOf } from "@lockstep/gradient-sync";
import { MAX_PARAMETERS, stableTopology, topologyDigest } from "@lockstep/model/files";
import { describe, expect, test } from "vitest";
import type { ReadySession } from "../connections/ready-session.ts";
import { RemoteTeam } from "../team/remote-team.ts";
import { RecordedSession } from "../testing/recorded-member.ts";
import { HELLO, PLAN, READY, TOY_CODE } from "../testing/toy-model.ts";
import { Admission } from "./admission.ts";
import type { InitialModel } from "./initial-model.ts";

const config = makeConfig({});
type Ready = MessageOf<"ready">;

function gathering(initial: InitialModel = {}, workers = 2) {
  const lines: string[] = [];
  const limits = { workers, heartbeatMs: 1000, stallMs: 60_000, minWorkers: 1, maxLogBytes: 1 };
  const team = new RemoteTeam({ ...limits, balance: "even", runId: "r", nowMs: () => 0, log: () => {} });
  const log = (line: string) => lines.push(line);
  const admission = new Admission({ config, team, version: TOY_CODE.version, initial, log });
  return { team, admission, lines };
}

let sessions = 0;

/** A `ready` message as a socket delivers it, with the fingerprint of its facts. */
function sessionOf(ready: Partial<Ready>, hello: Partial<typeof HELLO> = {}): ReadySession {
  const facts = { ...READY, ...ready };
  const message = {
    ...facts,
    fingerprint:
      ready.fingerprint ?? fingerprintOf(factsOf(facts), stableTopology(JSON.parse(facts.topology)), { ...config }),
  };
  const decoded = decodeFromWorker(encode(message));
  if (decoded.type !== "ready") throw new Error(`Expected ready, got ${decoded.type}.`);
  return new RecordedSession(sessions++, { ...HELLO, name: `w${sessions}`, ...hello }, decoded);
}

/** A worker that gives up before it has joined. */
const refusedWorker = (name: string) => ({ name, address: "192.0.2.1", connectedMs: 0, heardMs: 0 });

function tensor(name: string, shape: number[]) {
  const zeros = () => new Float32Array(shape.reduce((a, b) => a * b));
  return { name, shape, weight: zeros(), velocity: zeros() };
}

const withTensor = (shape: number[]) => ({
  tensors: [{ name: "t", shape, dtype: "float32" as const }],
  stateDict: [{ name: "t", shape }],
  factorable: [false],
});

test("where each worker has a slice of its own, no more workers are admitted than there is memory for", () => {
  const { admission, team } = gathering();
  admission.admit(sessionOf({}));
  admission.begin({ mostWorkers: 1 });
  expect(() => admission.admit(sessionOf({}))).toThrow(expect.objectContaining({ code: "ERR_FULL" }));
  expect(team.size).toBe(1);
});

test("a worker whose model has other weights than the first worker's is refused with that reason", () => {
  const { admission, team } = gathering();
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

/** The toy's topology with a layer that has this activation and this name. */
function layersOf(activation: string, name = "dense_Dense1"): string {
  const layers = [{ class_name: "Dense", config: { name, activation } }];
  const topology = JSON.parse(READY.topology) as TfjsTopology;
  return JSON.stringify({ ...topology, modelTopology: { class_name: "Sequential", config: { layers } } });
}

describe("whoever comes first is refused", () => {
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
  ])("with %s", (_, ready) => {
    const { admission, team } = gathering();
    expect(() => admission.admit(sessionOf(ready))).toThrow(expect.objectContaining({ code: "ERR_MODEL" }));
    expect(team.size).toBe(0);
    admission.admit(sessionOf({}));
    expect(team.size).toBe(1);
  });

  test("a first worker is refused with another model than that of the resumed run, and admitted with the same", () => {
    const { admission, team } = gathering({ topologyDigest: topologyDigest(JSON.parse(layersOf("relu"))) });
    const refused = () => admission.admit(sessionOf({ topology: layersOf("tanh") }));
    expect(refused).toThrow(expect.objectContaining({ code: "ERR_MODEL_CHANGED" }));
    expect(team.size).toBe(0);
    admission.admit(sessionOf({ topology: layersOf("relu", "dense_Dense7") }));
    expect(team.size).toBe(1);
  });

  test("a first worker is refused with a model that the initial weights do not fit", () => {
    const { admission, team } = gathering({ weights: [tensor("kernel", [3, 2]), tensor("more", [6])] });
    const refused = () => admission.admit(sessionOf({}));
    expect(refused).toThrow(expect.objectContaining({ code: "ERR_STATE_DICT" }));
    expect(refused).toThrow(
      /kernel has the shape \[3, 2\], expected \[2, 3\]\n {2}bias is missing\n {2}more is unexpected/,
    );
    expect(team.size).toBe(0);
  });

  test("a first worker is refused if it holds more updates than were made", () => {
    const { admission } = gathering({ updates: 7 });
    admission.admit(sessionOf({}, { holds: { run: "r", step: 7 } }));
    const refused = () => admission.admit(sessionOf({}, { holds: { run: "r", step: 8 } }));
    expect(refused).toThrow(expect.objectContaining({ code: "ERR_HOLDS" }));
  });
});

test("a worker that holds undone updates counts as holding none", async () => {
  const { admission, team } = gathering({ updates: 7 });
  admission.admit(sessionOf({}));
  admission.begin({ mostWorkers: Number.POSITIVE_INFINITY });
  const tensors = READY.stateDict.map(({ name, shape }) => tensor(name, shape));
  await team.begin({ plan: PLAN, source: { from: "state", tensors, step: 5 } });
  for (const step of [5, 6]) admission.admit(sessionOf({}, { holds: { run: "r", step } }));
  expect(team.members.map(({ session }) => session.hello.holds?.step)).toEqual([undefined, 5, undefined]);
});

describe("when all are gone", () => {
  const allLeft = (begun: boolean) => {
    const { admission } = gathering();
    const first = sessionOf({});
    admission.admit(first);
    if (begun) admission.begin({ mostWorkers: Number.POSITIVE_INFINITY });
    admission.onDisconnected(first, "it went");
    return admission;
  };

  test("when all workers have left before the run began, the next one may bring another model", () => {
    const admission = allLeft(false);
    admission.admit(sessionOf({ trainSamples: 23 }));
    expect(admission.first.ready.trainSamples).toBe(23);
  });

  test("when all workers have left a running run, the next one must match it", () => {
    const admission = allLeft(true);
    expect(() => admission.admit(sessionOf({ trainSamples: 23 }))).toThrow("Its trainSamples is 23, but w");
    expect(admission.first.ready.trainSamples).toBe(READY.trainSamples);
  });
});

describe("a worker whose code is another", () => {
  test.each([
    [{ version: "0.9" }, "Expected version toy of Lockstep, got 0.9;"],
    [{ arithmetic: 999 }, /^Expected arithmetic version \d+, got 999;/],
  ])("is refused by the coordinator: %o", (other, text) => {
    const { admission } = gathering();
    const refused = () => admission.admit(sessionOf({ code: { ...TOY_CODE, ...other } }));
    expect(refused).toThrow(expect.objectContaining({ code: "ERR_FINGERPRINT" }));
    expect(refused).toThrow(text);
  });

  test("a worker is refused beside the first if it draws other random numbers under the same version", () => {
    const { admission } = gathering();
    admission.admit(sessionOf({}));
    const refused = () => admission.admit(sessionOf({ code: { ...TOY_CODE, draws: "e" } }));
    expect(refused).toThrow(expect.objectContaining({ code: "ERR_FINGERPRINT" }));
    expect(refused).toThrow('Its code.draws is "e", but w');
  });
});

test("admission to a running run reports each worker that is admitted, and no other", () => {
  const { admission, team } = gathering();
  const sizes: number[] = [];
  admission.begin({ mostWorkers: Number.POSITIVE_INFINITY, onJoined: () => sizes.push(team.size) });
  admission.admit(sessionOf({}));
  admission.admit(sessionOf({}, { threads: 4 }));
  expect(() => admission.admit(sessionOf({ trainSamples: 23 }))).toThrow();
  expect(sizes).toEqual([1, 2]);
});

describe("a worker beside the first", () => {
  test("a worker beside the first is refused with the field in which it differs", () => {
    const { admission } = gathering();
    admission.admit(sessionOf({}));
    const refused = () => admission.admit(sessionOf({ trainSamples: 23 }));
    expect(refused).toThrow("Its trainSamples is 23, but w");
    expect(() => admission.admit(sessionOf({ fingerprint: "f" }))).toThrow("Its fingerprint is f, but");
  });

  test("a worker beside the first is refused with the path at which its layers differ", () => {
    const { admission, team } = gathering();
    admission.admit(sessionOf({ topology: layersOf("relu") }));
    const refused = () => admission.admit(sessionOf({ topology: layersOf("tanh") }));
    expect(refused).toThrow(expect.objectContaining({ code: "ERR_FINGERPRINT" }));
    expect(refused).toThrow(
      /^Its model\.config\.layers\.0\.config\.activation is "tanh", but w\d+ has "relu"; give all/,
    );
    expect(team.size).toBe(1);
  });

  test("a worker beside the first shares its topology, since unnamed layers may have other names", () => {
    const { admission } = gathering();
    const [topology, other] = [layersOf("relu", "dense_Dense1"), layersOf("relu", "dense_Dense7")];
    const [first, second] = [sessionOf({ topology }), sessionOf({ topology: other, gemmFlopsPerSecond: 5 })];
    admission.admit(first);
    admission.admit(second);
    expect(second.ready.topology).toBe(topology);
    expect(second.ready.gemmFlopsPerSecond).toBe(5);
  });

  test("a worker cannot have the name of another, even one that was renamed to it", () => {
    const { admission, team } = gathering();
    admission.admit(sessionOf({}, { name: "a" }));
    admission.admit(sessionOf({}, { name: `a-${sessions + 1}` }));
    expect(() => admission.admit(sessionOf({}, { name: "a" }))).toThrow(expect.objectContaining({ code: "ERR_NAME" }));
    expect(team.size).toBe(2);
  });
});

describe("a refusal that every worker will meet", () => {
  const waiting = (team: RemoteTeam) => team.until(() => team.size > 0).catch((error: unknown) => error);
  const refusedWith = async (action: () => void, code: string) =>
    expect(action).toThrow(expect.objectContaining({ code }));

  test("a common refusal ends the run with its reason if its weights fit the model of none of those that it waits for", async () => {
    const { admission, team, lines } = gathering({ weights: [tensor("kernel", [2, 3])] });
    const ended = waiting(team);
    for (const name of ["a", "b"]) await refusedWith(() => admission.admit(sessionOf({}, { name })), "ERR_STATE_DICT");
    const message = expect.stringContaining("do not match the model:\n  bias is missing\n");
    expect(await ended).toMatchObject({ code: "ERR_STATE_DICT", message });
    expect(lines).toEqual([expect.stringContaining("a cannot join: ")]); // the run's end tells of the last
    await expect(team.until(() => true)).rejects.toMatchObject({ code: "ERR_STATE_DICT" });
  });

  test("a refusal that one worker meets again and again is not common: the run goes on with others that can take part", async () => {
    const state = READY.stateDict.map(({ name, shape }) => tensor(name, shape));
    const { admission, team } = gathering({ weights: state });
    const bad = () => sessionOf({ ...withTensor([6]), trainSamples: 23 }, { name: "bad" });
    for (const _ of [1, 2, 3]) {
      await refusedWith(() => admission.admit(bad()), "ERR_STATE_DICT");
      admission.onFailed(refusedWorker("bad"), new LockstepError("ERR_MODEL_DATA", "Too few outputs."));
    }
    for (const _ of [1, 2]) admission.admit(sessionOf({}));
    await team.until(() => team.size === 2);
  });

  test("a common refusal ends the run when as many as it waits for have another model than that of its checkpoint", async () => {
    const { admission, team } = gathering({ topologyDigest: topologyDigest(JSON.parse(layersOf("relu"))) });
    const ended = waiting(team);
    const join = () => admission.admit(sessionOf({ topology: layersOf("tanh") }));
    await refusedWith(join, "ERR_MODEL_CHANGED");
    await team.until(() => true);
    await refusedWith(join, "ERR_MODEL_CHANGED");
    expect(await ended).toMatchObject({ code: "ERR_MODEL_CHANGED" });
  });

  test("a common refusal ends the run when as many as it waits for give up for what its options and its model are", async () => {
    const { admission, team, lines } = gathering();
    const ended = waiting(team);
    const tooFew = new LockstepError("ERR_MODEL_DATA", "Expected a model with 10 outputs.");
    admission.onFailed(refusedWorker("a"), new LockstepError("ERR_NO_GPU", "No GPU."));
    for (const name of ["b", "c"]) admission.onFailed(refusedWorker(name), tooFew);
    expect(await ended).toBe(tooFew);
    expect(lines).toEqual([
      "a cannot join: ERR_NO_GPU: No GPU.",
      "b cannot join: ERR_MODEL_DATA: Expected a model with 10 outputs.",
    ]);
  });

  test("a common refusal ends the run also when those who had joined give up, one after the other, before a step was made", async () => {
    const { admission, team } = gathering();
    const sessions = [sessionOf({}), sessionOf({})];
    for (const session of sessions) admission.admit(session);
    await team.begin({ plan: PLAN, source: { from: "seed" } });
    const ended = team.until(() => false).catch((error: unknown) => error);
    const reason = new LockstepError("ERR_MODEL_REFUSED", "It has no gradient.");
    for (const session of sessions) {
      admission.onFailed(refusedWorker(session.hello.name), reason, session);
      admission.onDisconnected(session, reason.message);
    }
    expect(await ended).toBe(reason);
    team.reset();
    await expect(team.until(() => true)).rejects.toBe(reason);
  });

  test.each(["ERR_NO_GPU", "ERR_MODEL_CODE", "ERR_FINGERPRINT"] as const)(
    "a refusal that lies in one machine is not common: %s leaves the run waiting for others",
    async (code) => {
      const { admission, team } = gathering();
      for (const name of ["a", "b", "c"]) admission.onFailed(refusedWorker(name), new LockstepError(code, "Not here."));
      admission.admit(sessionOf({}));
      await team.until(() => team.size === 1);
    },
  );

  test("a refusal is not common while a worker is here that can take part", async () => {
    const { admission, team } = gathering();
    admission.admit(sessionOf({}));
    for (const name of ["a", "b", "c"])
      admission.onFailed(refusedWorker(name), new LockstepError("ERR_MODEL_DATA", "Too few."));
    await team.until(() => team.size === 1);
  });
});
