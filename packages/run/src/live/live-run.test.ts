import { defined } from "@lockstep/testing";
import { describe, expect, test } from "vitest";
import type { StepRow } from "../folder/metrics.ts";
import { LiveRun } from "./live-run.ts";
import { addStep, emptyHistory, MAX_BUCKETS } from "./step-history.ts";
import { partsOf, stragglerOf } from "./straggler.ts";
import type { RunUpdate } from "./updates.ts";

function stepRow(step: number, more: Partial<StepRow> = {}): StepRow {
  return {
    type: "step",
    epoch: 1,
    step,
    loss: 1 + (step % 7),
    samples: 4,
    correct: 2,
    lr: 0.1,
    ms: { step: 10 },
    ...more,
  };
}

function share(name: string, samples: number, ms: Record<string, number> = {}) {
  return { name, samples, bytesUp: 100, bytesDown: 200, ms, io: {} };
}

const worker = (name: string) =>
  ({
    name,
    device: "a CPU",
    backend: "native",
    state: "in",
    slices: [{ start: 0, end: 2 }],
    heartbeatAgeMs: 5,
  }) as const;

const entry = (name: string, samples: number) => ({ name, samples });

describe("the history of steps", () => {
  test("keeps every step while there is room", () => {
    const history = emptyHistory();
    for (let step = 0; step < MAX_BUCKETS; step++) addStep(history, stepRow(step));
    expect(history.stride).toBe(1);
    expect(defined(history.lossSum[5]) / defined(history.samples[5])).toBe(6);
  });

  test("stays small over 100,000 steps and loses no sample, byte or extreme", () => {
    const history = emptyHistory();
    for (let step = 0; step < 100_000; step++) {
      addStep(history, stepRow(step, { loss: step === 54_321 ? 99 : 1, workers: [share("a", 3), share("b", 1)] }));
    }
    expect(history.first.length).toBeLessThanOrEqual(MAX_BUCKETS);
    const sum = (column: number[]) => column.reduce((total, value) => total + value, 0);
    expect(sum(history.samples)).toBe(400_000);
    expect(sum(defined(history.workers[0]).samples)).toBe(300_000);
    expect(sum(history.bytesDown)).toBe(40_000_000);
    const spike = history.lossMax.indexOf(99);
    expect(history.first[spike]).toBe(Math.floor(54_321 / history.stride) * history.stride);
    expect(history.first.every((first, i) => first === i * history.stride)).toBe(true);
  });

  test("takes in a worker that comes later, with nothing before", () => {
    const history = emptyHistory();
    addStep(history, stepRow(0, { workers: [share("a", 4)] }));
    addStep(history, stepRow(1, { workers: [share("a", 3), share("b", 1)] }));
    expect(history.workers).toEqual([
      { name: "a", samples: [4, 3] },
      { name: "b", samples: [0, 1] },
    ]);
  });
});

test("a worker may have any name, and thousands may come and go", () => {
  const run = new LiveRun();
  for (const [step, name] of [
    "__proto__",
    "constructor",
    ...Array.from({ length: 5000 }, (_, i) => `w${i}`),
  ].entries()) {
    run.apply({ type: "row", row: stepRow(step, { workers: [share(name, 4)] }) });
  }
  const { history, ledger } = run.snapshot();
  expect(
    history.workers.slice(0, 2).map(({ name, samples }) => [name, defined(samples[0]) + defined(samples[1])]),
  ).toEqual([
    ["__proto__", 4],
    ["constructor", 4],
  ]);
  expect(history.workers).toHaveLength(32);
  expect(ledger.workers.slice(0, 2)).toEqual([entry("__proto__", 4), entry("constructor", 4)]);
  expect(Object.keys(Object.prototype)).toEqual([]);
});

describe("LiveRun", () => {
  test("is the same wherever the same updates are taken, also from a copy half-way", () => {
    const run = new LiveRun(undefined, () => 0);
    run.event("a joined", "joined", { worker: "a", device: "a CPU", backend: "native" });
    run.apply({ type: "row", row: stepRow(0, { workers: [share("a", 4, { backward: 8 })] }) });
    const copy = new LiveRun(JSON.parse(JSON.stringify(run.snapshot())), () => 0);
    run.subscribe((update) => copy.apply(JSON.parse(JSON.stringify(update))));
    for (let step = 1; step < 5000; step++) {
      run.apply({ type: "row", row: stepRow(step, { workers: [share("a", 3), share("b", 1)] }) });
    }
    run.apply({ type: "team", workers: [worker("a")] });
    run.event("slice 0 of step 7 goes to a", "slice-redone", { worker: "a" });
    expect(JSON.stringify(copy.snapshot())).toBe(JSON.stringify(run.snapshot()));
    expect(run.snapshot().workers.map(({ name, state }) => [name, state])).toEqual([
      ["a", "in"],
      ["b", "left"],
    ]);
  });

  test("counts the samples of an epoch, each with the worker that computed it", () => {
    const run = new LiveRun();
    run.apply({ type: "row", row: stepRow(0, { workers: [share("a", 3), share("b", 1)] }) });
    run.apply({ type: "row", row: stepRow(1, { workers: [share("a", 4)] }) });
    expect(run.snapshot().ledger).toEqual({ epoch: 1, samples: 8, workers: [entry("a", 7), entry("b", 1)] });
    run.apply({ type: "row", row: stepRow(2, { epoch: 2, workers: [share("a", 4)] }) });
    expect(run.snapshot().ledger).toEqual({ epoch: 2, samples: 4, workers: [entry("a", 4)] });
  });

  test("knows of a worker that died that it is gone, why, and since when it is back", () => {
    const run = new LiveRun();
    run.event("a joined", "joined", { worker: "a" });
    run.event("a was lost: its connection closed", "lost", { worker: "a" });
    expect(run.snapshot().workers[0]).toMatchObject({
      state: "lost",
      goneBecause: "a was lost: its connection closed",
    });
    run.event("a joined", "joined", { worker: "a" });
    expect(run.snapshot().workers[0]).toMatchObject({ state: "waiting", goneBecause: undefined });
  });

  test("shows none of the workers of a coordinator that is no more", () => {
    const run = new LiveRun();
    run.event("a joined", "joined", { worker: "a" });
    run.event("waiting for 2 workers", "waiting");
    expect(run.snapshot().workers).toEqual([]);
  });

  test("begins anew from the rows that stand when a run goes on from a checkpoint", () => {
    const run = new LiveRun();
    for (let step = 0; step < 10; step++) run.apply({ type: "row", row: stepRow(step) });
    run.apply({ type: "history", rows: [stepRow(0), stepRow(1)] });
    expect(run.snapshot()).toMatchObject({ stepsDone: 2, ledger: { samples: 8 } });
    expect(run.snapshot().history.first).toEqual([0, 1]);
  });

  test("forgets workers that are long gone, when others come and go all the time", () => {
    const run = new LiveRun();
    for (let i = 0; i < 100; i++) {
      run.event("joined", "joined", { worker: `w${i}` });
      run.event("left", "left", { worker: `w${i}` });
    }
    expect(run.snapshot().workers.map(({ name }) => name)).toEqual(Array.from({ length: 16 }, (_, i) => `w${84 + i}`));
  });
});

describe("the phase", () => {
  test("is told once when it changes, with the time since when and the reason", () => {
    let nowMs = 1000;
    const run = new LiveRun(undefined, () => nowMs);
    const updates: RunUpdate[] = [];
    run.subscribe((update) => updates.push(update));
    expect(run.snapshot().phase).toBeUndefined();
    run.phase("stepping");
    nowMs = 2000;
    run.phase("stepping");
    expect(run.snapshot().phase).toEqual({ name: "stepping", sinceMs: 1000 });
    run.phase("paused", "1 of at least 2 workers are here");
    run.phase("paused", "0 of at least 2 workers are here");
    expect(updates).toEqual([
      { type: "phase", phase: { name: "stepping", sinceMs: 1000 } },
      { type: "phase", phase: { name: "paused", sinceMs: 2000, reason: "1 of at least 2 workers are here" } },
      { type: "phase", phase: { name: "paused", sinceMs: 2000, reason: "0 of at least 2 workers are here" } },
    ]);
  });

  test("is told by the events that begin and end a run, and is unknown where only they are known", () => {
    const run = new LiveRun(undefined, () => 1000);
    const phases = (["waiting", "begun", "finished", "checkpoint", "resumed", "paused", "failed"] as const).map(
      (kind) => {
        run.event("text", kind);
        return run.snapshot().phase?.name;
      },
    );
    expect(phases).toEqual(["gathering", undefined, "over", "over", undefined, undefined, "over"]);
    expect(run.snapshot().phase?.sinceMs).toBe(1000);
  });

  test("of a run that is over stays that, whatever its workers still do", () => {
    const run = new LiveRun();
    run.phase("stepping");
    run.event("begun", "begun");
    expect(run.snapshot().phase?.name).toBe("stepping");
    run.event("the disk is full", "failed");
    run.phase("lost");
    expect(run.snapshot().phase?.name).toBe("over");
  });
});

describe("the straggler", () => {
  const team = (backward: number[]) => {
    const workers = backward.map((ms, i) => share(`worker-${i}`, 4, { forward: 50, backward: ms, wait: 1 }));
    return stepRow(0, { ms: { step: 500 }, workers });
  };

  test("is named with the part that makes it late, beside the median of the others", () => {
    const { fraction, ...straggler } = defined(stragglerOf([team([190, 180, 410, 200]), team([190, 180, 410, 200])]));
    expect(straggler).toEqual({ name: "worker-2", part: "backward", partMs: 410, medianMs: 190 });
    expect(fraction).toBeCloseTo(0.44);
  });

  test("is nobody where all are alike, and where there is one", () => {
    expect(stragglerOf([team([190, 200, 195])])).toBeUndefined();
    expect(stragglerOf([team([190])])).toBeUndefined();
    expect(stragglerOf([])).toBeUndefined();
  });

  test("is found among means over steps", () => {
    expect(partsOf([team([100, 200]), team([300, 200])])).toEqual([
      { name: "worker-0", ms: { forward: 50, backward: 200, wait: 1 } },
      { name: "worker-1", ms: { forward: 50, backward: 200, wait: 1 } },
    ]);
  });
});
