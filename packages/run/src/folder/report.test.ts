/** Tests the report of a test. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "@lockstep/testing";
import { expect } from "vitest";
import { makeReport, writeReport } from "./report.ts";

// 8 samples: of 4 cats, 3 are taken for cats and 1 for a dog; of 4 dogs, 2 for dogs and 2 for cats; no frogs.
const confusion = [
  [3, 1, 0],
  [2, 2, 0],
  [0, 0, 0],
];
const report = makeReport({ samples: 8, lossSum: 10, confusion }, ["cat", "dog", "frog"]);

test("a report has the numbers worked by hand, and null for a class without predictions or samples", () => {
  expect(report).toEqual({
    accuracy: 5 / 8,
    loss: 1.25,
    samples: 8,
    classes: ["cat", "dog", "frog"],
    perClass: [
      { class: "cat", precision: 3 / 5, recall: 3 / 4, samples: 4 },
      { class: "dog", precision: 2 / 3, recall: 2 / 4, samples: 4 },
      { class: "frog", precision: null, recall: null, samples: 0 },
    ],
    confusion,
  });
});

test("a report is written as JSON that a person can read", ({ folder }) => {
  const path = join(folder, "report.json");
  writeReport(path, report);
  const text = readFileSync(path, "utf8");
  expect(JSON.parse(text)).toEqual(report);
  expect(text).toContain('\n    {"class":"frog","precision":null,"recall":null,"samples":0}\n');
  expect(text).toContain('\n  "confusion": [\n    [3,1,0],\n    [2,2,0],\n');
});
