/** Compares several workers with PyTorch, with one worker, and dense with factored gradients. */

import type { RunConfig } from "@lockstep/config";
import { startEngine } from "@lockstep/engine";
import { toStep } from "@lockstep/gradient-sync";
import { loadModel, stateDictNames } from "@lockstep/model";
import type { ParameterState, StepTotals } from "@lockstep/run";
import { defined, drawTest } from "@lockstep/testing";
import { describe, expect } from "vitest";
import { fixtureSamples, fixtureWeights, readFixture } from "./pytorch/fixture.ts";
import { teamInOneProcess } from "./testing/team-in-one-process.ts";

const { backend, skipped } = await startEngine({});
const native = backend === "native";
const skipReason = native ? "" : ` (needs the native engine: ${skipped.map(({ reason }) => reason).join("; ")})`;

const fixture = readFixture("alexnet-cifar10-pytorch.json");
const { batch_size: batchSize, lr, momentum } = fixture;

interface Trained {
  totals: StepTotals[];
  /** State after the first update: its velocity is the first mean gradient. */
  first: ParameterState[];
  last: ParameterState[];
}

/** Runs steps of the fixture's model on the fixture's batches, from the fixture's weights. */
async function train(
  workers: number,
  steps: number,
  options: Partial<RunConfig> = {},
  { states = false } = {},
): Promise<Trained> {
  const load = () => loadModel(fixture.model, {});
  const probe = await load();
  const config = { dropout: 0, batchSize, momentum, ...options };
  const state = [...fixtureWeights(stateDictNames(probe.model, probe.spec))].map(([name, { shape, data }]) => ({
    name,
    shape,
    weight: data,
    velocity: new Float32Array(data.length),
  }));
  const { team, close } = await teamInOneProcess({
    workers,
    load,
    state,
    trainSamples: config.batchSize * steps,
    config,
    batchOf: ({ start, end }) => fixtureSamples(start, end, 32, 10),
  });
  const totals: StepTotals[] = [];
  let first: ParameterState[] | undefined;
  for (let step = 0; step < steps; step++) {
    const range = { start: step * config.batchSize, end: (step + 1) * config.batchSize };
    await team.step({ type: "step", epoch: 0, step: toStep(step), ...range, learningRate: lr }, (sums) =>
      totals.push(sums),
    );
    if (states) first ??= await team.captureState().read();
  }
  const last = states ? await team.captureState().read() : [];
  await close();
  return { totals, first: first ?? [], last };
}

function norm(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum);
}

const lossesOf = ({ totals }: Trained) => totals.map(({ lossSum, samples }) => lossSum / samples);

/** Returns the relative L2 distance of two arrays. */
const distance = (a: Float32Array, b: Float32Array) => norm(a.map((value, i) => value - defined(b[i]))) / norm(b);

const proofs = {
  "two workers give PyTorch's losses, first gradients and updates": async () => {
    const trained = await train(2, fixture.steps.length, {}, { states: true });
    for (const [step, loss] of lossesOf(trained).entries()) {
      expect(Math.abs(loss / defined(fixture.steps[step]).loss - 1)).toBeLessThan(fixture.tolerance.loss);
      expect(defined(trained.totals[step]).correct).toBe(defined(fixture.steps[step]).correct);
    }
    for (const { name, velocity } of trained.first) {
      const ratio = norm(velocity) / defined(defined(defined(fixture.steps[0]).gradient_l2)[name]);
      expect(Math.abs(ratio - 1), name).toBeLessThan(fixture.tolerance.gradient_l2);
    }
    const before = fixtureWeights(trained.last.map(({ name, shape }) => ({ name, torchShape: shape })));
    for (const { name, weight } of trained.last) {
      const change = norm(weight.map((value, i) => value - defined(defined(before.get(name)).data[i])));
      expect(Math.abs(change / defined(fixture.update_l2[name]) - 1), name).toBeLessThan(fixture.tolerance.update_l2);
    }
  },

  "dense and factored gradients give the same update": async () => {
    const dense = await train(2, 1, { sync: "dense" }, { states: true });
    const factored = await train(2, 1, { sync: "factored" }, { states: true });
    for (const [index, { name, velocity }] of factored.first.entries()) {
      expect(distance(velocity, defined(dense.first[index]).velocity), name).toBeLessThan(1e-5);
    }
  },

  "three and five workers give the losses of one, with uneven slices and dropout": async () => {
    const options = { dropout: 0.5 };
    const alone = await train(1, 2, options);
    for (const workers of [3, 5]) {
      const together = await train(workers, 2, options);
      for (const [step, loss] of lossesOf(together).entries()) {
        const expected = defined(lossesOf(alone)[step]);
        expect(Math.abs(loss - expected)).toBeLessThan(1e-4 * Math.max(1, expected));
      }
    }
  },

  "a worker sends at most 13 MB per step with 32 rows; a dense gradient has 144.5 MB": async () => {
    const { totals } = await train(2, 2, { batchSize: 64 });
    for (const { bytesUp } of defined(defined(totals[1]).workers)) {
      expect(bytesUp).toBeGreaterThan(5e6);
      expect(bytesUp).toBeLessThan(13e6);
    }
  },
};

describe.skipIf(!native)(`several workers${skipReason}`, () => drawTest("several workers", proofs));
