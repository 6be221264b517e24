/** Runs in simulated time through drawn schedules of faults, compared with a run that has none. */
import { at, LockstepError } from "@lockstep/errors";
import { drawCases, seedsBelow } from "@lockstep/testing";
import { expect, test } from "vitest";
import { assertPhasesInOrder, drawnFaults, everySampleOnce, type Outcome, runWith } from "../testing/simulated-run.ts";

/** Each takes some 30 ms. */
const SEEDS = drawCases("faults in simulated time", seedsBelow(200), 12);
/** Any 15 successive ones have runs that finish and runs that do not. */
const OTHER_SEEDS = drawCases("faults that spare nobody", seedsBelow(40), 15);

const undisturbed = await runWith(1, [], 0);
const contextOf = (seed: number, { log }: Outcome) => `seed ${seed}\n${log.join("\n")}`;

function assertSamplesOnce({ ledger, evaluated }: Outcome, context: string): void {
  expect(ledger, context).toEqual(everySampleOnce);
  expect(evaluated, context).toEqual([70, 70, 70, 70, 130]);
}

function assertCloseWeights({ weights }: Outcome, digits: number, context: string): void {
  for (const [i, weight] of weights.entries()) expect(weight, context).toBeCloseTo(at(undisturbed.weights, i), digits);
}

/** Asserts that each checkpoint has the state of the undisturbed run, unless the state was lost with its source; not all are. */
async function assertStates({ states: reads }: Outcome, context: string): Promise<void> {
  const states = await Promise.all(reads);
  expect(states, context).toContainEqual(expect.any(Array));
  for (const [i, state] of states.entries()) {
    if (state !== "ERR_STATE_LOST") expect(state, context).toEqual(await undisturbed.states[i]);
  }
}

test(`${SEEDS.length} of 200 schedules of deaths, joins, cuts, hangs, slowness and spoiled numbers end with the same weights`, async () => {
  for (const seed of SEEDS) {
    const outcome = await runWith(3, drawnFaults(seed), seed);
    const context = contextOf(seed, outcome);
    assertPhasesInOrder(outcome.phases, context);
    assertSamplesOnce(outcome, context);
    expect(outcome.weights, context).toEqual(undisturbed.weights);
    await assertStates(outcome, context);
  }
}, 120_000);

test(`${SEEDS.length} of 200 schedules with slices by the workers' speeds count every sample once, and end with the same weights up to rounding`, async () => {
  let unequal = 0;
  for (const seed of SEEDS) {
    const crew = { workers: 4, msPerSample: [10, 20, 35, 80], bySpeed: true };
    const outcome = await runWith(crew, drawnFaults(seed), seed);
    const context = contextOf(seed, outcome);
    assertSamplesOnce(outcome, context);
    assertCloseWeights(outcome, 5, context);
    if (outcome.slices.some((samples) => Math.max(...samples) > 1 + Math.min(...samples))) unequal++;
  }
  expect(unequal).toBe(SEEDS.length); // even slices differ by one sample at most
}, 120_000);

/** Returns how a run ends whose workers may all fail: `not finite` if no worker was left to find the numbers finite. */
async function endOf(seed: number): Promise<"finished" | "all lost" | "not finite"> {
  const run = runWith(2, [...drawnFaults(seed, 0), ...drawnFaults(seed + 500, 0)], seed);
  try {
    const outcome = await run;
    const context = contextOf(seed, outcome);
    expect(outcome.ledger, context).toEqual(everySampleOnce);
    expect(outcome.weights, context).toEqual(undisturbed.weights);
    return "finished";
  } catch (error) {
    if (error instanceof Error && error.message.includes("is not finite")) return "not finite";
    if (error instanceof LockstepError && error.code === "ERR_ALL_LOST") return "all lost";
    throw error;
  }
}

test(`${OTHER_SEEDS.length} of 40 schedules that may stop every worker end with the same weights, or with an error because no worker is left`, async () => {
  const ends = { finished: 0, "all lost": 0, "not finite": 0 };
  for (const seed of OTHER_SEEDS) ends[await endOf(seed)]++;
  expect(Math.min(ends.finished, ends["all lost"])).toBeGreaterThan(3);
}, 120_000);

test(`${OTHER_SEEDS.length} of 40 schedules with a CPU and a GPU call no late joiner faulty for the rounding of another device`, async () => {
  const devices = [
    { backend: "gpu", rounding: 2 ** -20 },
    { backend: "cpu", rounding: 0 },
  ];
  let mended = 0;
  for (const seed of OTHER_SEEDS) {
    const outcome = await runWith({ workers: 2, devices }, drawnFaults(seed), seed);
    const context = contextOf(seed, outcome);
    assertSamplesOnce(outcome, context);
    assertCloseWeights(outcome, 4, context);
    if (outcome.log.some((line) => line.includes(" had drifted from "))) mended++;
  }
  expect(mended).toBeGreaterThan(OTHER_SEEDS.length / 2);
}, 120_000);
