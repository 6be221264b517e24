/** Tests the options of a run: defaults, refusals, and what a resume may change. */
import { expect, test } from "vitest";
import { makeConfig, resumeConfig } from "./config.ts";

test("a configuration has the documented defaults", () => {
  expect(makeConfig({})).toMatchObject({
    lr: 0.01,
    momentum: 0.9,
    batchSize: 32,
    numEpochs: 20,
    seed: 0,
    keep: 2,
    trainFraction: 0.8,
  });
});

test("text from the command line and values from a file make the same configuration", () => {
  expect(makeConfig({ lr: "0.5", batchSize: "8", checkpointEvery: "100" })).toEqual(
    makeConfig({ lr: 0.5, batchSize: 8, checkpointEvery: 100 }),
  );
});

test.each([
  [{ lr: "0" }, "Expected --lr to be a number above 0, got 0; for example --lr 0.01."],
  [{ lr: "fast" }, "Expected --lr to be a number above 0, got fast; for example --lr 0.01."],
  [{ lr: "" }, "Expected --lr to be a number above 0, got ; for example --lr 0.01."],
  [{ lr: "Infinity" }, "Expected --lr to be a number above 0, got Infinity; for example --lr 0.01."],
  [{ batchSize: "0" }, "Expected --batch-size to be a whole number of at least 1, got 0; for example --batch-size 32."],
  [
    { batchSize: 1.5 },
    "Expected --batch-size to be a whole number of at least 1, got 1.5; for example --batch-size 32.",
  ],
  [{ momentum: 1 }, "Expected --momentum to be a number from 0 to below 1, got 1; for example --momentum 0.9."],
  [{ dataset: "mnist" }, "Expected --dataset to be cifar10 or shapes, got mnist; for example --dataset cifar10."],
  [{ dropout: "1" }, "Expected --dropout to be a number from 0 to below 1, got 1."],
  [
    { trainFraction: 0 },
    "Expected --train-fraction to be a number above 0, up to 1, got 0; for example --train-fraction 0.8.",
  ],
  [{ seed: -1 }, "Expected --seed to be a whole number from 0 to 4294967295, got -1; for example --seed 0."],
  [{ warmupEpochs: 3, numEpochs: 2 }, "Expected --warmup-epochs to be at most --num-epochs (2), got 3; lower it."],
])("the options %j are refused", (explicit, message) => expect(() => makeConfig(explicit)).toThrow(message));

test("an unknown option is refused", () => {
  const unknownOption: object = { learningRate: 1 };
  expect(() => makeConfig(unknownOption)).toThrow('Unknown option "learningRate". Expected one of model, dataset');
});

const saved = makeConfig({ lr: 0.5, maxSteps: 10 });

test("a resumed run keeps the saved options, but its end can be moved", () => {
  expect(resumeConfig(saved, { maxSteps: "20" })).toEqual({ ...saved, maxSteps: 20 });
});

test("a resumed run refuses a change of what would make it another training", () => {
  expect(() => resumeConfig(saved, { lr: "0.1" })).toThrow(
    "--lr cannot change on --resume: the run continues with 0.5.",
  );
});
