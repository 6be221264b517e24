/** Tests how the worker that makes a step late is found. */
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { share, stepRow } from "../testing/step-row.ts";
import { stragglerOf, workerParts } from "./straggler.ts";

const team = (backward: number[]) => {
  const workers = backward.map((ms, i) => share(`worker-${i}`, 4, { forward: 50, backward: ms, wait: 1 }));
  return stepRow(0, { ms: { step: 500 }, workers });
};

test("the straggler is named with the part that makes it late and the median of the others", () => {
  const { fraction, ...straggler } = defined(stragglerOf([team([190, 180, 410, 200]), team([190, 180, 410, 200])]));
  expect(straggler).toEqual({ name: "worker-2", part: "backward", partMs: 410, medianMs: 190 });
  expect(fraction).toBeCloseTo(0.44);
});

test("no worker is a straggler if all are alike, or if there is only one", () => {
  expect(stragglerOf([team([190, 200, 195])])).toBeUndefined();
  expect(stragglerOf([team([190])])).toBeUndefined();
  expect(stragglerOf([])).toBeUndefined();
});

test("the parts of a worker are means over steps", () => {
  expect(workerParts([team([100, 200]), team([300, 200])])).toEqual([
    { name: "worker-0", ms: { forward: 50, backward: 200, wait: 1 } },
    { name: "worker-1", ms: { forward: 50, backward: 200, wait: 1 } },
  ]);
});
