import { at } from "@lockstep/errors";
import { drawCases, seedsBelow } from "@lockstep/testing";
import { describe, expect, test } from "vitest";
import { assertPhasesInOrder, drawnFaults, everySampleOnce, runWith } from "../testing/simulated-run.ts";

/** Each takes some 30 ms. */
const SEEDS = drawCases("faults in simulated time", seedsBelow(200), 25);

const undisturbed = await runWith(1, [], 0);

describe("drawn schedules of faults in simulated time", () => {
  test(`${SEEDS.length} of 200 schedules of deaths, joins, cuts, hangs, slowness and spoiled numbers end with the same weights`, async () => {
    for (const seed of SEEDS) {
      const { weights, ledger, evaluated, states, log, phases } = await runWith(3, drawnFaults(seed), seed);
      const context = `seed ${seed}\n${log.join("\n")}`;
      assertPhasesInOrder(phases, context);
      expect(ledger, context).toEqual(everySampleOnce);
      expect(evaluated, context).toEqual([70, 70, 70, 70, 130]);
      expect(weights, context).toEqual(undisturbed.weights);
      for (const [i, state] of (await Promise.all(states)).entries()) {
        if (state !== "ERR_STATE_LOST") expect(state, context).toEqual(await undisturbed.states[i]);
      }
    }
  }, 120_000);

  test(`${SEEDS.length} of 200 more with slices by the speeds of unlike workers count every sample once, and end with the same weights but for rounding`, async () => {
    let unequal = 0;
    for (const seed of SEEDS) {
      const crew = { workers: 4, msPerSample: [10, 20, 35, 80], bySpeed: true };
      const { weights, ledger, slices, evaluated, log } = await runWith(crew, drawnFaults(seed), seed);
      const context = `seed ${seed}\n${log.join("\n")}`;
      expect(ledger, context).toEqual(everySampleOnce);
      expect(evaluated, context).toEqual([70, 70, 70, 70, 130]);
      for (const [i, weight] of weights.entries()) expect(weight, context).toBeCloseTo(at(undisturbed.weights, i), 5);
      if (slices.some((samples) => Math.max(...samples) > 1 + Math.min(...samples))) unequal++;
    }
    expect(unequal).toBe(SEEDS.length); // even slices differ by one sample at most
  }, 120_000);

  test("40 schedules that spare nobody end: with the same weights, or because nobody is left to go on", async () => {
    const ends = { finished: 0, ERR_ALL_LOST: 0, notFinite: 0 };
    for (let seed = 0; seed < 40; seed++) {
      const run = runWith(2, [...drawnFaults(seed, 0), ...drawnFaults(seed + 500, 0)], seed);
      await run.then(
        ({ weights, ledger, log }) => {
          ends.finished++;
          const context = `seed ${seed}\n${log.join("\n")}`;
          expect(ledger, context).toEqual(everySampleOnce);
          expect(weights, context).toEqual(undisturbed.weights);
        },
        (error: Error & { code?: string }) => {
          if (error.message.includes("is not finite"))
            ends.notFinite++; // nobody else was there to find it finite
          else if (error.code === "ERR_ALL_LOST") ends.ERR_ALL_LOST++;
          else throw error;
        },
      );
    }
    expect(Math.min(ends.finished, ends.ERR_ALL_LOST)).toBeGreaterThan(3);
  }, 120_000);

  test("40 schedules with unlike devices end: a worker that joins is called faulty for no rounding but its own", async () => {
    const devices = [
      { backend: "gpu", rounding: 2 ** -20 },
      { backend: "cpu", rounding: 0 },
    ];
    let mended = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { weights, ledger, evaluated, log } = await runWith({ workers: 2, devices }, drawnFaults(seed), seed);
      const context = `seed ${seed}\n${log.join("\n")}`;
      expect(ledger, context).toEqual(everySampleOnce);
      expect(evaluated, context).toEqual([70, 70, 70, 70, 130]);
      for (const [i, weight] of weights.entries()) expect(weight, context).toBeCloseTo(at(undisturbed.weights, i), 4);
      if (log.some((line) => line.includes(" had drifted from "))) mended++;
    }
    expect(mended).toBeGreaterThan(20);
  }, 120_000);
});
