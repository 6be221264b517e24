/** Checks the options that a verified training adds, and those for which it cannot be verified. */
import { expect, test } from "vitest";
import { wordsOf } from "./train-alone.ts";
import { verifiedTraining } from "./verify-options.ts";

const SHAPES = { dataset: "shapes", maxSteps: "10", test: false, trainFraction: "1" };

test("by default a verified training has 10 steps on shapes in slices of 8", () => {
  const { runOptions, config } = verifiedTraining({ workers: 3 });
  expect(runOptions).toEqual({ ...SHAPES, sliceRows: "8" });
  expect(config).toMatchObject({ dataset: "shapes", maxSteps: 10, test: false, sliceRows: 8 });
  expect(verifiedTraining({ workers: 3, maxSteps: "4", sliceRows: "16" }).runOptions).toMatchObject({
    maxSteps: "4",
    sliceRows: "16",
  });
  const free = verifiedTraining({ workers: 3, freeSlices: true, sliceRows: "16" });
  expect(free.config.sliceRows).toBe(undefined);
  expect(free.config.maxSteps).toBe(50);
});

test("one worker has as many threads as each of several", () => {
  expect(verifiedTraining({ workers: 10_000 }).machine).toEqual({ threads: 1 });
  expect(verifiedTraining({ workers: 2, threads: 5, backend: "native" }).machine).toEqual({
    backend: "native",
    threads: 5,
  });
});

test.each([
  [{ workers: 2, wire: "bf16" }, "Expected --wire fp32, got bf16"],
  [{ workers: 2, lr: "x" }, "Expected --lr to be"],
])("a training that cannot be verified is refused before anything starts: %j", (options, message) => {
  expect(() => verifiedTraining(options)).toThrow(message);
});

test("the options of a training are passed as command-line arguments", () => {
  expect(wordsOf({ ...SHAPES, shuffle: true, out: "a b", sliceRows: undefined })).toEqual(
    "--dataset shapes --max-steps 10 --no-test --train-fraction 1 --shuffle --out".split(" ").concat("a b"),
  );
});
