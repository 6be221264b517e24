/** Compares runs in simulated time that meet one chosen fault with an undisturbed run of one worker. */
import { at } from "@lockstep/errors";
import { expect, test } from "vitest";
import { everySampleOnce, type Fault, runWith } from "../testing/simulated-run.ts";
import type { SimulatedWorker } from "../testing/simulation.ts";

const undisturbed = await runWith(1, [], 0);

test("a run counts every sample once, and gives the same weights with 1, 3 and 7 workers", async () => {
  expect(undisturbed.ledger).toEqual(everySampleOnce);
  expect(undisturbed.evaluated).toEqual([70, 70, 70, 70, 130]);
  for (const workers of [3, 7]) {
    const { weights, ledger } = await runWith(workers, [], workers);
    expect(ledger).toEqual(everySampleOnce);
    expect(weights).toEqual(undisturbed.weights);
  }
});

test("a CPU worker that joins a run of a CPU and a GPU after the only other CPU is lost is not called faulty", async () => {
  const devices = [
    { backend: "gpu", rounding: 2 ** -20 },
    { backend: "cpu", rounding: 0 },
    { backend: "cpu", rounding: 0 },
  ];
  const faults: Fault[] = [
    { atMs: 100, happen: (workers) => at(workers, 1).die(10) },
    { atMs: 150, happen: (_, join) => join() }, // gets the GPU's weights
    { atMs: 420, happen: (_, join) => [join(), join()] },
  ];
  const { ledger, log } = await runWith({ workers: 2, devices }, faults, 4);
  expect(ledger, log.join("\n")).toEqual(everySampleOnce);
});

test.each<[string, Partial<SimulatedWorker>, string]>([
  ["goes silent", { silent: true }, "was dropped: nothing was received from it for 3."],
  ["hangs", { hangs: true }, "it has taken 3."],
  ["becomes 400 times slower", { msPerSample: 4000 }, "it has taken 3."],
])("when a worker %s the same step ends within its limit and two slice times", async (_, change, line) => {
  const faults = [{ atMs: 500, happen: (workers: SimulatedWorker[]) => void Object.assign(at(workers, 2), change) }];
  const { weights, log, stepMs } = await runWith(3, faults, 5);
  expect(weights).toEqual(undisturbed.weights);
  expect(log.join("\n")).toContain(line);
  // 3 s, a tick of the clock, and two times what a slice of 2 samples takes, with the way there and back.
  expect(Math.max(...stepMs)).toBeLessThan(3000 + 250 + 2 * (2 * 10 + 100) + 250);
});

test("a slice whose second worker hangs too goes to a third, and the step ends within two time limits", async () => {
  const hang = (worker: number) => (workers: SimulatedWorker[]) =>
    void Object.assign(at(workers, worker), { hangs: true });
  // The quicker of the two that are left gets the late slice, when nothing else is left to do: and then it hangs.
  const crew = { workers: 3, msPerSample: [40, 10, 10] };
  const faults = [
    { atMs: 500, happen: hang(1) },
    { atMs: 2500, happen: hang(2) },
  ];
  const { weights, log, stepMs } = await runWith(crew, faults, 5);
  expect(weights).toEqual(undisturbed.weights);
  const reassigned = log.flatMap((line) => /go to (w\d+): it has taken 3\.\d s/.exec(line)?.[1] ?? []);
  expect(new Set(reassigned).size).toBe(2);
  const sliceMs = 2 * 40 + 100;
  expect(Math.max(...stepMs)).toBeGreaterThan(3000);
  expect(Math.max(...stepMs)).toBeLessThan(2 * (3000 + 250) + 2 * sliceMs + 250);
});

test("a late joiner receives the weights and then computes slices, and no worker waits for it", async () => {
  const { weights, log, stepMs } = await runWith(2, [{ atMs: 300, happen: (_, join) => join() }], 9);
  expect(weights).toEqual(undisturbed.weights);
  expect(log.some((line) => line.includes("has caught up and is assigned slices"))).toBe(true);
  const quiet = await runWith(2, [], 9);
  expect(Math.max(...stepMs)).toBeLessThan(2 * Math.max(...quiet.stepMs));
});

test("a worker whose weights differ from those of the others is named at the end of the epoch", async () => {
  const corrupt = (workers: SimulatedWorker[]) => {
    const { weights } = at(workers, 1);
    weights[4] = at(weights, 4) + 1e-6;
  };
  const run = runWith(3, [{ atMs: 200, happen: corrupt }], 3);
  await expect(run).rejects.toThrow(/ERR_REPLICA|The weights of w\d+ differ from those of w\d+/);
});

test("a worker that sends numbers which are not finite is notified, and dropped the third time", async () => {
  const spoil = (workers: SimulatedWorker[]) => {
    at(workers, 1).spoiled = 10;
  };
  const { weights, log } = await runWith(3, [{ atMs: 200, happen: spoil }], 3);
  expect(weights).toEqual(undisturbed.weights);
  const refusals = log.filter((line) => line.includes("was refused: Expected finite numbers"));
  expect(refusals.length).toBe(3);
  expect(log.join("\n")).toContain("was dropped: 3 of its contributions were refused");
});

test("two workers whose numbers for the same slices are not finite are dropped, and the run continues with the third", async () => {
  const spoil = (workers: SimulatedWorker[]) => {
    for (const faulty of workers.slice(1)) faulty.spoiled = Number.POSITIVE_INFINITY;
  };
  const { weights, ledger, log } = await runWith(3, [{ atMs: 200, happen: spoil }], 3);
  expect(ledger).toEqual(everySampleOnce);
  expect(weights).toEqual(undisturbed.weights);
  expect(log.filter((line) => line.includes("was dropped: 3 of its contributions were refused")).length).toBe(2);
});

test.each([1, 2, 7])(
  "numbers that none of %i workers finds finite end the run within the same step",
  async (workers) => {
    const spoil = (all: SimulatedWorker[]) => {
      for (const worker of all) worker.spoiled = Number.POSITIVE_INFINITY;
    };
    await expect(runWith(workers, [{ atMs: 200, happen: spoil }], 3)).rejects.toThrow(
      /^The loss of step \d+ is not finite/,
    );
  },
);
