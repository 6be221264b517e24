/** Tests the rows of metrics.jsonl, as they are written and read back. */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test as base } from "@lockstep/testing";
import fc from "fast-check";
import { expect } from "vitest";
import { appendMetrics, type EpochRow, type MetricsRow, readMetrics, rewriteMetrics, type StepRow } from "./metrics.ts";

/** Tests with the path of a metrics file that does not exist yet. */
const test = base.extend("path", ({ folder }) => join(folder, "metrics.jsonl"));

const stepRow = (step: number, epoch = 1): StepRow => {
  return { type: "step", epoch, step, loss: 2.3, samples: 32, correct: 3, lr: 0.01, ms: { step: 300, data: 0.5 } };
};
const epochRow = (step: number, epoch: number): EpochRow => {
  return { type: "epoch", epoch, step, trainLoss: 2, trainAccuracy: 0.25, samples: 64 };
};
const testRow: MetricsRow = { type: "test", step: 4, loss: 1, accuracy: 0.5, samples: 10 };

test("a row of metrics is one line of JSON, which is written when the call returns", ({ path }) => {
  appendMetrics(path, stepRow(1));
  expect(readFileSync(path, "utf8")).toBe(
    '{"type":"step","epoch":1,"step":1,"loss":2.3,"samples":32,"correct":3,"lr":0.01,"ms":{"step":300,"data":0.5}}\n',
  );
  appendMetrics(path, testRow);
  expect(readMetrics(path)).toEqual([stepRow(1), testRow]);
});

test("the numbers of a row are read back to the bit", ({ path }) => {
  const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0));
  fc.assert(
    fc.property(finite, finite, (loss, ms) => {
      writeFileSync(path, "");
      const row = { ...stepRow(1), loss, ms: { step: ms } };
      appendMetrics(path, row);
      expect(readMetrics(path)).toEqual([row]);
    }),
  );
});

test("the rows of epochs with and without a validation are read back", ({ path }) => {
  const rows = [epochRow(2, 1), { ...epochRow(4, 2), evalLoss: 1.5, evalAccuracy: 0.4 }];
  for (const row of rows) appendMetrics(path, row);
  expect(readMetrics(path)).toEqual(rows);
});

test("the metrics of a run that goes back to an earlier step have each step once", ({ path }) => {
  const rows = [stepRow(0), stepRow(1), epochRow(2, 1), stepRow(2, 2), stepRow(3, 2), epochRow(4, 2), testRow];
  for (const row of rows) appendMetrics(path, row);
  appendFileSync(path, '{"type":"step","ep');
  const remaining = rows.slice(0, 4);
  expect(rewriteMetrics(path, (row) => row.type !== "test" && row.step < 3)).toEqual(remaining);
  appendMetrics(path, stepRow(3, 2));
  expect(readMetrics(path)).toEqual([...remaining, stepRow(3, 2)]);
});

test("a kill at any byte loses only the row that it cut", ({ path }) => {
  appendMetrics(path, stepRow(1));
  appendMetrics(path, stepRow(2));
  const text = readFileSync(path, "utf8");
  for (let length = 0; length <= text.length; length++) {
    writeFileSync(path, text.slice(0, length));
    const whole = length === text.length ? 2 : length >= text.length / 2 ? 1 : 0;
    expect(readMetrics(path).length).toBe(whole);
  }
});

test("a row that was cut does not damage the next one", ({ path }) => {
  appendMetrics(path, stepRow(1));
  appendFileSync(path, '{"type":"step","ep');
  appendMetrics(path, stepRow(2));
  expect(readMetrics(path)).toEqual([stepRow(1), stepRow(2)]);
});

test("a worker's row of an earlier version, without io, is read", ({ path }) => {
  const worker = { name: "w", samples: 32, bytesUp: 1, bytesDown: 2, ms: { forward: 3 } };
  writeFileSync(path, `${JSON.stringify({ ...stepRow(1), slices: 1, workers: [worker] })}\n`);
  expect(readMetrics(path)).toEqual([{ ...stepRow(1), slices: 1, workers: [{ ...worker, io: {} }] }]);
});

test("a worker's row is read back with its io", ({ path }) => {
  const worker = { name: "w", samples: 32, bytesUp: 1, bytesDown: 2, ms: { forward: 3 }, io: { encode: 4, send: 5 } };
  const row: MetricsRow = { ...stepRow(2), slices: 1, workers: [worker] };
  appendMetrics(path, row);
  expect(readMetrics(path)).toEqual([row]);
});

test("a run without a metrics file has no rows", ({ path }) => {
  expect(readMetrics(path)).toEqual([]);
});

test.for<[string, string, string]>([
  ["no JSON", "oops\n", ':2: expected a row of metrics, got "oops"'],
  ["an unknown type", '{"type":"stop"}\n', ':2: expected a row of metrics, got {"type":"stop"} (type: '],
  ["text in ms", JSON.stringify({ ...stepRow(2), ms: { step: 1, data: "2" } }).concat("\n"), "(ms.data: "],
  ["an accuracy in percent", JSON.stringify({ ...testRow, accuracy: 50 }).concat("\n"), "(accuracy: "],
])("metrics with %s are refused with the number of the line", ([, line, message], { path }) => {
  appendMetrics(path, stepRow(1));
  appendFileSync(path, line);
  expect(() => readMetrics(path)).toThrow(message);
});

test("a loss of NaN is refused before it is written", ({ path }) => {
  expect(() => appendMetrics(path, { ...stepRow(1), loss: Number.NaN })).toThrow("(loss: ");
  expect(readMetrics(path)).toEqual([]);
});
