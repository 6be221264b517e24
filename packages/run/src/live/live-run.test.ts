/** Tests the state of a live run: its workers, its samples and its copies. */
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { share, stepRow } from "../testing/step-row.ts";
import { LiveRun } from "./live-run.ts";

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

test("a live run is the same wherever the same updates are applied, also to a copy of it", () => {
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

test("the ledger counts the samples of an epoch with the worker that computed them", () => {
  const run = new LiveRun();
  run.apply({ type: "row", row: stepRow(0, { workers: [share("a", 3), share("b", 1)] }) });
  run.apply({ type: "row", row: stepRow(1, { workers: [share("a", 4)] }) });
  expect(run.snapshot().ledger).toEqual({ epoch: 1, samples: 8, workers: [entry("a", 7), entry("b", 1)] });
  run.apply({ type: "row", row: stepRow(2, { epoch: 2, workers: [share("a", 4)] }) });
  expect(run.snapshot().ledger).toEqual({ epoch: 2, samples: 4, workers: [entry("a", 4)] });
});

test("a worker that is lost is shown with the reason, until it joins again", () => {
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

test("a new coordinator shows none of the workers of the one before it", () => {
  const run = new LiveRun();
  run.event("a joined", "joined", { worker: "a" });
  run.event("waiting for 2 workers", "waiting");
  expect(run.snapshot().workers).toEqual([]);
});

test("a run that continues from a checkpoint starts with the rows that are left", () => {
  const run = new LiveRun();
  for (let step = 0; step < 10; step++) run.apply({ type: "row", row: stepRow(step) });
  run.apply({ type: "history", rows: [stepRow(0), stepRow(1)] });
  expect(run.snapshot()).toMatchObject({ stepsDone: 2, ledger: { samples: 8 } });
  expect(run.snapshot().history.first).toEqual([0, 1]);
});

test("workers that left long ago are forgotten when many others join and leave", () => {
  const run = new LiveRun();
  for (let i = 0; i < 100; i++) {
    run.event("joined", "joined", { worker: `w${i}` });
    run.event("left", "left", { worker: `w${i}` });
  }
  expect(run.snapshot().workers.map(({ name }) => name)).toEqual(Array.from({ length: 16 }, (_, i) => `w${84 + i}`));
});
