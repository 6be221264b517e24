/** Tests the charts of a run: their files, texts, lines and points. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test as base, defined } from "@lockstep/testing";
import { Resvg } from "@resvg/resvg-js";
import { expect } from "vitest";
import { appendMetrics } from "../../folder/metrics.ts";
import { makeReport } from "../../folder/report.ts";
import { createRunFolder, type RunFolder } from "../../folder/run-folder.ts";
import { drawCharts } from "./charts.ts";

const BLUE = "#0072b2";
const VERMILION = "#d55e00";
const report = makeReport(
  {
    samples: 10,
    lossSum: 5,
    confusion: [
      [4, 1],
      [0, 5],
    ],
  },
  ["cat & <dog>", "frog"],
);

/** Tests with the folder of a run. */
const test = base.extend("run", ({ folder }) => createRunFolder(folder, "m", new Date()));

/** Writes the metrics of epochs of ten steps. */
function writeRows(run: RunFolder, { epochs, validation = true }: { epochs: number; validation?: boolean }): void {
  for (let i = 0; i < epochs * 10; i++) {
    const row = { epoch: Math.floor(i / 10) + 1, step: i, loss: 2 / (i + 1), samples: 32, correct: Math.min(i, 32) };
    appendMetrics(run.metrics, { type: "step", ...row, lr: 0.01, ms: { step: 1 } });
    if (i % 10 !== 9) continue;
    const evaluation = validation ? { evalLoss: 1, evalAccuracy: 0.5 } : {};
    const train = { epoch: row.epoch, step: i + 1, trainLoss: 1, trainAccuracy: 0.5, samples: 320 };
    appendMetrics(run.metrics, { type: "epoch", ...train, ...evaluation });
  }
}

const svgOf = (run: RunFolder, name: string) => readFileSync(join(run.charts, `${name}.svg`), "utf8");
const count = (text: string, part: string) => text.toLowerCase().split(part).length - 1;

/** Dark pixels in the upper left corner, where only the title stands, on a machine without fonts. */
function titleInk(svg: string): number {
  const { pixels, width } = new Resvg(svg, { font: { loadSystemFonts: false } }).render();
  let dark = 0;
  for (let y = 0; y < 60; y++) for (let x = 0; x < 150; x++) if (defined(pixels[(y * width + x) * 4]) < 128) dark++;
  return dark;
}

test("charts are SVG and PNG files, and only a run with a test has a confusion matrix", async ({ run }) => {
  writeRows(run, { epochs: 3 });
  await drawCharts(run, undefined);
  expect(readdirSync(run.charts)).toEqual(["accuracy.png", "accuracy.svg", "loss.png", "loss.svg"]);
  const png = readFileSync(join(run.charts, "loss.png"));
  expect(png.subarray(1, 4).toString()).toBe("PNG");
  expect(png.readUInt32BE(16)).toBe(Math.round(2 * Number(defined(/width="([\d.]+)"/.exec(svgOf(run, "loss")))[1])));
  expect(png.readUInt32BE(16)).toBeGreaterThan(1400);
  await drawCharts(run, report);
  expect(readdirSync(run.charts)).toContain("confusion.png");
});

test("charts have their text as outlines, so that it can be read without fonts, and a title", async ({ run }) => {
  writeRows(run, { epochs: 3 });
  await drawCharts(run, report);
  for (const name of ["loss", "accuracy", "confusion"]) {
    expect(svgOf(run, name)).not.toMatch(/<text|font-family/);
    expect(titleInk(svgOf(run, name))).toBeGreaterThan(100);
    expect(svgOf(run, name)).toMatch(/^<svg[^>]*><title>(Loss|Accuracy|Confusion matrix)<\/title>/);
  }
});

test("charts of three epochs or more have a point for each epoch and split", async ({ run }) => {
  writeRows(run, { epochs: 4 });
  await drawCharts(run, undefined);
  // For each split a line, a point an epoch, and a mark in the legend.
  expect(count(svgOf(run, "loss"), BLUE)).toBe(6);
  expect(count(svgOf(run, "loss"), VERMILION)).toBe(6);
});

test("charts of fewer epochs have the steps, their moving mean and the validation's points", async ({ run }) => {
  writeRows(run, { epochs: 1 });
  await drawCharts(run, undefined);
  // Two lines and a mark in the legend; a point and a mark.
  expect(count(svgOf(run, "accuracy"), BLUE)).toBe(3);
  expect(count(svgOf(run, "accuracy"), VERMILION)).toBe(2);
});

test.for([1, 3])("charts of %d epochs without validation have one split", async (epochs, { run }) => {
  writeRows(run, { epochs, validation: false });
  await drawCharts(run, undefined);
  expect(count(svgOf(run, "loss"), BLUE)).toBeGreaterThan(2);
  expect(count(svgOf(run, "loss"), VERMILION)).toBe(0);
});

test("the charts of a run without steps are drawn", async ({ run }) => {
  await drawCharts(run, undefined);
  expect(readdirSync(run.charts)).toContain("loss.png");
});

test("a confusion matrix of many classes has no numbers, and its file stays small", async ({ run }) => {
  const classes = Array.from({ length: 1000 }, (_, i) => `class ${i}`);
  const confusion = classes.map((_, i) => classes.map((_, j) => (j === i ? 40 : j === (i * 7) % 1000 ? 10 : 0)));
  await drawCharts(run, makeReport({ samples: 50_000, lossSum: 1, confusion }, classes));
  expect(svgOf(run, "confusion").length).toBeLessThan(5_000_000);
});
