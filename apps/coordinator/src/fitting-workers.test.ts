import { decodeFromWorker, encode, factsOf, fingerprintOf, type WorkerMessage } from "@lockstep/gradient-sync";
import { MAX_PARAMETERS } from "@lockstep/model/files";
import { makeConfig } from "@lockstep/run";
import { describe, expect, test } from "vitest";
import { FittingWorkers } from "./fitting-workers.ts";
import { RemoteTeam } from "./remote-team.ts";
import type { Session } from "./sessions.ts";
import { HELLO, READY } from "./toy-worker.ts";

const config = makeConfig({});
type Ready = Extract<WorkerMessage, { type: "ready" }>;

function gathering() {
  const limits = { workers: 2, heartbeatMs: 1000, stallMs: 60_000, minWorkers: 1, maxLogBytes: 1 };
  const team = new RemoteTeam({ ...limits, balance: "even", runId: "r", nowMs: () => 0, log: () => {} });
  return { team, fitting: new FittingWorkers({ config, team, updatesMade: () => 7 }) };
}

let sessions = 0;

/** As it comes from a socket, with the fingerprint of what it tells. */
function sessionOf(ready: Partial<Ready>, hello: Partial<typeof HELLO> = {}): Session {
  const told = { ...READY, ...ready };
  const whole = { ...told, fingerprint: ready.fingerprint ?? fingerprintOf(factsOf(told), { ...config }) };
  return {
    ...{ workerId: sessions++, hello: { ...HELLO, name: `w${sessions}`, ...hello }, heardMs: 0, waitingBytes: 0 },
    ready: decodeFromWorker(encode(whole)) as Ready,
    ...{ bytesUp: 0, bytesDown: 0, send: () => {}, drained: async () => {}, close: () => {} },
  };
}

const withTensor = (shape: number[]) => ({
  tensors: [{ name: "t", shape, dtype: "float32" as const }],
  stateDict: [{ name: "t", shape }],
  factorable: [false],
});

test("where each worker has a slice of its own, no more of them join than can be added up", () => {
  const { fitting, team } = gathering();
  fitting.joined(sessionOf({}));
  fitting.mostWorkers = 1;
  expect(() => fitting.joined(sessionOf({}))).toThrow(expect.objectContaining({ code: "ERR_SUMS" }));
  expect(team.size).toBe(1);
});

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
    const { fitting, team } = gathering();
    expect(() => fitting.joined(sessionOf(ready))).toThrow(expect.objectContaining({ code: "ERR_MODEL" }));
    expect(team.size).toBe(0);
    fitting.joined(sessionOf({}));
    expect(team.size).toBe(1);
  });

  test("with more updates than were made", () => {
    const { fitting } = gathering();
    fitting.joined(sessionOf({}, { holds: { run: "r", step: 7 } }));
    const refused = () => fitting.joined(sessionOf({}, { holds: { run: "r", step: 8 } }));
    expect(refused).toThrow(expect.objectContaining({ code: "ERR_HOLDS" }));
  });
});

describe("when all are gone", () => {
  const allGone = (begun: boolean) => {
    const { fitting } = gathering();
    const first = sessionOf({});
    fitting.joined(first);
    fitting.begun = begun;
    fitting.lost(first, "it went");
    return fitting;
  };

  test("before the run has begun, it may be another run that the next begins", () => {
    const fitting = allGone(false);
    fitting.joined(sessionOf({ trainSamples: 23 }));
    expect(fitting.first.ready.trainSamples).toBe(23);
  });

  test("afterwards, the next must fit to what was begun", () => {
    const fitting = allGone(true);
    expect(() => fitting.joined(sessionOf({ trainSamples: 23 }))).toThrow("Its trainSamples is 23, but w");
    expect(fitting.first.ready.trainSamples).toBe(READY.trainSamples);
  });
});

describe("a worker beside the first", () => {
  test("is refused with the field in which it differs", () => {
    const { fitting } = gathering();
    fitting.joined(sessionOf({}));
    const refused = () => fitting.joined(sessionOf({ trainSamples: 23 }));
    expect(refused).toThrow("Its trainSamples is 23, but w");
    expect(() => fitting.joined(sessionOf({ fingerprint: "f" }))).toThrow("Its fingerprint is f, but");
  });

  test("has the first one's topology, whatever its own holds", () => {
    const { fitting } = gathering();
    const { topology } = READY;
    const large = topology.replace("{}", JSON.stringify({ more: "x".repeat(1_000_000) }));
    const [first, second] = [sessionOf({}), sessionOf({ topology: large, gemmFlopsPerSecond: 5 })];
    fitting.joined(first);
    fitting.joined(second);
    expect(second.ready.topology).toBe(topology);
    expect(second.ready.gemmFlopsPerSecond).toBe(5);
  });

  test("cannot have the name of another, even of one that was given it", () => {
    const { fitting, team } = gathering();
    fitting.joined(sessionOf({}, { name: "a" }));
    fitting.joined(sessionOf({}, { name: `a-${sessions + 1}` }));
    expect(() => fitting.joined(sessionOf({}, { name: "a" }))).toThrow(expect.objectContaining({ code: "ERR_NAME" }));
    expect(team.size).toBe(2);
  });
});
