/** Compares the WebAssembly backend with PyTorch on two steps of the CIFAR-10 AlexNet. */
import { startEngine } from "@lockstep/engine";
import { applyUpdate, computeGradients, disposeContribution, LapClock } from "@lockstep/training";
import { expect, test } from "vitest";
import { fixtureBatch, readFixture, replicaOf } from "./pytorch/fixture.ts";

test("the losses of two steps are within 0.1 % of PyTorch's", async () => {
  expect((await startEngine({ backend: "wasm" })).backend).toBe("wasm");
  const fixture = readFixture("alexnet-cifar10-pytorch.json");
  const { replica } = await replicaOf(fixture);
  for (const [step, expected] of fixture.steps.slice(0, 2).entries()) {
    const batch = fixtureBatch(step, fixture.batch_size, 32, 10);
    const update = await computeGradients(replica, batch, { seed: 0, step, clock: new LapClock() });
    expect(Math.abs(update.lossSum / update.samples / expected.loss - 1)).toBeLessThan(1e-3);
    applyUpdate(replica.parameters, update, { learningRate: fixture.lr, momentum: fixture.momentum, weightDecay: 0 });
    disposeContribution(update);
  }
  replica.dispose();
});
