/** Checks single decisions of a pure function: which workers are dropped, and which subtrees they are assigned. */
import { toSubtreeId, toWorkerId, type WorkerId } from "@lockstep/gradient-sync";
import { expect, test } from "vitest";
import { decide, type Limits, type SubtreeView, type WorkerView } from "./decide.ts";

const NOW = 1_000_000;
const limits: Limits = { heartbeatMs: 1000, stallMs: 60_000 };

/** Returns a worker that has just sent something, is idle, and takes 10 ms for a sample. */
function worker(id: number, overrides: Partial<WorkerView> = {}): WorkerView {
  const idle = {
    heardMs: NOW,
    progressMs: NOW,
    openSamples: 0,
    msPerSample: 10,
    isEligible: true,
    isCatchingUp: false,
  };
  return { id: toWorkerId(id), owes: (overrides.openSamples ?? 0) > 0, ...idle, ...overrides };
}

/** Returns a subtree of 8 samples without an attempt. */
function subtree(number: number, overrides: Partial<SubtreeView> = {}): SubtreeView {
  const open = {
    attempts: [],
    pendingReason: "its worker disconnected",
    excludedWorkers: new Set<WorkerId>(),
    nonFiniteWorkers: new Set<WorkerId>(),
  };
  return { id: toSubtreeId(number), samples: 8, ...open, ...overrides };
}

/** Returns an attempt that started `agoMs` ago, with an expected time of 80 ms. */
const attempt = (worker: number, agoMs = 0, expectedMs: number | undefined = 80) => ({
  worker: toWorkerId(worker),
  sinceMs: NOW - agoMs,
  expectedMs,
});

/** Returns the ids of these workers. */
const idsOf = (...workers: number[]) => new Set(workers.map(toWorkerId));

const decided = (workers: WorkerView[], openSubtrees: SubtreeView[] = []) =>
  decide(NOW, { workers, openSubtrees }, limits);
const assigned = (workers: WorkerView[], openSubtrees: SubtreeView[]) =>
  decided(workers, openSubtrees).flatMap((decision) =>
    decision.type === "assign" ? [`${decision.subtree} to ${decision.worker}`] : [],
  );

test("a worker is dropped when it has been silent for more than three heartbeats, and not before", () => {
  expect(decided([worker(0), worker(1, { heardMs: NOW - 3000 })])).toEqual([]);
  expect(decided([worker(0), worker(1, { heardMs: NOW - 3001 })])).toEqual([
    { type: "drop", worker: 1, code: "ERR_SILENT", reason: "nothing was received from it for 3.0 s" },
  ]);
});

test("a worker is dropped when it has had work but made no progress for longer than the limit", () => {
  const stalled = (progressMs: number) => worker(1, { openSamples: 8, progressMs });
  expect(decided([stalled(NOW - 60_000)])).toEqual([]);
  const reason = "still sending heartbeats, but no progress for 60.1 s";
  expect(decided([stalled(NOW - 60_100)])).toEqual([{ type: "drop", worker: 1, code: "ERR_STALLED", reason }]);
});

test("a worker may be idle for any time", () => {
  expect(decided([worker(0, { progressMs: NOW - 10 ** 9 })])).toEqual([]);
});

test("a worker is dropped once, for its silence, if it is silent and stalled", () => {
  const silent = worker(0, { heardMs: NOW - 10 ** 6, progressMs: NOW - 10 ** 6, openSamples: 1 });
  expect(decided([silent])).toMatchObject([{ type: "drop", code: "ERR_SILENT" }]);
});

test("a worker is dropped even if it takes no subtrees", () => {
  expect(decided([worker(0, { isEligible: false, heardMs: 0 })])).toMatchObject([{ type: "drop", worker: 0 }]);
});

test("a subtree without an attempt is assigned to a worker", () => {
  const reason = "its worker disconnected";
  expect(decided([worker(3)], [subtree(5)])).toEqual([{ type: "assign", subtree: 5, worker: 3, reason }]);
});

test("a subtree with an attempt that is on time is not reassigned", () => {
  expect(decided([worker(0), worker(1)], [subtree(0, { attempts: [attempt(0)] })])).toEqual([]);
});

test("a subtree of a dropped worker is reassigned in the same decision", () => {
  const silent = worker(0, { heardMs: NOW - 3500, openSamples: 8 });
  expect(decided([silent, worker(1)], [subtree(0, { attempts: [attempt(0)] })])).toEqual([
    { type: "drop", worker: 0, code: "ERR_SILENT", reason: "nothing was received from it for 3.5 s" },
    { type: "assign", subtree: 0, worker: 1, reason: "its worker was dropped" },
  ]);
});

test("a subtree whose second worker is dropped is not reassigned if the first is on time", () => {
  const silent = worker(1, { heardMs: 0 });
  expect(assigned([worker(0), silent, worker(2)], [subtree(0, { attempts: [attempt(0), attempt(1)] })])).toEqual([]);
});

test.each([
  ["3 s, if its expected time is short", 80, 3000],
  ["four times its expected time, if that is longer", 1000, 4000],
])("a subtree is late after %s", (_, expectedMs, limitMs) => {
  const tried = (agoMs: number) => [subtree(0, { attempts: [attempt(0, agoMs, expectedMs)] })];
  expect(decided([worker(0), worker(1)], tried(limitMs))).toEqual([]);
  const reason = `it has taken ${((limitMs + 100) / 1000).toFixed(1)} s so far, and was expected to take ${(expectedMs / 1000).toFixed(1)} s`;
  expect(decided([worker(0), worker(1)], tried(limitMs + 100))).toEqual([
    { type: "assign", subtree: 0, worker: 1, reason },
  ]);
});

test("a subtree without an expected time is never late", () => {
  expect(
    decided([worker(0), worker(1)], [subtree(0, { attempts: [{ ...attempt(0, 10 ** 6), expectedMs: undefined }] })]),
  ).toEqual([]);
});

test("a late subtree is not reassigned if its worker is the only one", () => {
  expect(decided([worker(0)], [subtree(0, { attempts: [attempt(0, 10_000)] })])).toEqual([]);
});

test("a subtree is assigned to a third worker when the second is late too, and not before", () => {
  const tried = (agoMs: number) => [subtree(0, { attempts: [attempt(0, 20_000), attempt(1, agoMs)] })];
  expect(decided([worker(0), worker(1), worker(2)], tried(3000))).toEqual([]);
  expect(decided([worker(0), worker(1), worker(2)], tried(3100))).toEqual([
    { type: "assign", subtree: 0, worker: 2, reason: "it has taken 3.1 s so far, and was expected to take 0.1 s" },
  ]);
  expect(decided([worker(0), worker(1)], tried(10_000))).toEqual([]);
});

test("a subtree has at most three attempts at a time, and a new one replaces that of a dropped worker", () => {
  const tried = [subtree(0, { attempts: [attempt(0, 30_000), attempt(1, 20_000), attempt(2, 10_000)] })];
  expect(
    assigned(
      [0, 1, 2, 3].map((id) => worker(id)),
      tried,
    ),
  ).toEqual([]);
  expect(assigned([worker(0, { heardMs: 0 }), ...[1, 2, 3].map((id) => worker(id))], tried)).toEqual(["0 to 3"]);
});

test("a subtree waits while no worker takes subtrees, and that does not count as divergence", () => {
  expect(decided([worker(0, { isEligible: false })], [subtree(0)])).toEqual([]);
  expect(decided([], [subtree(0)])).toEqual([]);
});

test("a subtree is assigned to the worker that would finish it first, by its speed and its open work", () => {
  expect(assigned([worker(0), worker(1, { msPerSample: 9 })], [subtree(0)])).toEqual(["0 to 1"]);
  expect(assigned([worker(0), worker(1, { msPerSample: 9, openSamples: 8 })], [subtree(0)])).toEqual(["0 to 0"]);
});

test("a worker without a measurement counts as the slowest of the others, however fast they are", () => {
  const fresh = worker(0, { msPerSample: undefined });
  const fast = (openSamples: number) => worker(1, { msPerSample: 0.01, openSamples });
  expect(assigned([fresh, fast(0), worker(2, { msPerSample: 0.02 })], [subtree(0)])).toEqual(["0 to 1"]);
  expect(assigned([fresh, fast(8)], [subtree(0)])).toEqual(["0 to 0"]);
  const busy = worker(1, { msPerSample: undefined, openSamples: 1 });
  expect(assigned([busy, fresh], [subtree(0)])).toEqual(["0 to 0"]);
});

test("two subtrees are assigned to two workers if these are equally fast", () => {
  expect(assigned([worker(0), worker(1)], [subtree(0), subtree(1)])).toEqual(["0 to 0", "1 to 1"]);
  expect(assigned([worker(0), worker(1, { msPerSample: 100 })], [subtree(0), subtree(1)])).toEqual([
    "0 to 0",
    "1 to 0",
  ]);
});

test("a subtree is not assigned to a worker whose contribution to it was refused, unless there is no other", () => {
  const refused = subtree(0, { excludedWorkers: idsOf(0) });
  expect(assigned([worker(0), worker(1, { msPerSample: 1000 })], [refused])).toEqual(["0 to 1"]);
  expect(assigned([worker(0)], [refused])).toEqual(["0 to 0"]);
});

test("a subtree is not assigned to a worker that takes no subtrees, or that is dropped", () => {
  const slow = worker(1, { msPerSample: 1000 });
  for (const other of [worker(0, { isEligible: false }), worker(0, { heardMs: 0 })]) {
    expect(assigned([other, slow], [subtree(0)])).toEqual(["0 to 1"]);
  }
});

/** The workers whose contributions to a subtree were refused, and those of them that found it not finite. */
const [refusedBy, nonFiniteWorkers] = [idsOf(0, 1), idsOf(0)];

test("a subtree is never assigned again to a worker that found it not finite", () => {
  expect(assigned([worker(0), worker(1)], [subtree(0, { excludedWorkers: refusedBy, nonFiniteWorkers })])).toEqual([
    "0 to 1",
  ]);
});

test("training has diverged when every worker has found a subtree not finite, and not before", () => {
  const found = subtree(4, { excludedWorkers: refusedBy, nonFiniteWorkers: refusedBy });
  expect(decided([worker(0), worker(1)], [found])).toEqual([
    { type: "diverged", subtree: 4, reason: "it yields NaN or infinity on every worker" },
  ]);
  expect(assigned([worker(0), worker(1), worker(2)], [found])).toEqual(["4 to 2"]);
  const late = worker(2, { isEligible: false, openSamples: 8 }); // it takes subtrees again when it is done with those
  expect(decided([worker(0), worker(1), late], [found])).toEqual([]);
  const lateJoiner = worker(2, { isEligible: false, isCatchingUp: true });
  expect(decided([worker(0), worker(1), lateJoiner], [found])).toEqual([]);
  const leaves = worker(2, { isEligible: false });
  expect(decided([worker(0), worker(1), leaves], [{ ...found, attempts: [attempt(2, 10_000)] }])).toEqual([]);
});
