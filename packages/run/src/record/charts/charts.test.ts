import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defined } from "@lockstep/testing";
import { Resvg } from "@resvg/resvg-js";
import { beforeEach, describe, expect, test } from "vitest";
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

let folder: RunFolder;
beforeEach(() => {
  folder = createRunFolder(mkdtempSync(join(tmpdir(), "lockstep-charts-")), "m", new Date());
});

function writeRows({ epochs, validation = true }: { epochs: number; validation?: boolean }): void {
  for (let i = 0; i < epochs * 10; i++) {
    const row = { epoch: Math.floor(i / 10) + 1, step: i, loss: 2 / (i + 1), samples: 32, correct: Math.min(i, 32) };
    appendMetrics(folder.metrics, { type: "step", ...row, lr: 0.01, ms: { step: 1 } });
    if (i % 10 !== 9) continue;
    const evaluation = validation ? { evalLoss: 1, evalAccuracy: 0.5 } : {};
    const train = { epoch: row.epoch, step: i + 1, trainLoss: 1, trainAccuracy: 0.5, samples: 320 };
    appendMetrics(folder.metrics, { type: "epoch", ...train, ...evaluation });
  }
}

const svgOf = (name: string) => readFileSync(join(folder.charts, `${name}.svg`), "utf8");
const count = (text: string, part: string) => text.toLowerCase().split(part).length - 1;

/** Dark pixels in the upper left corner, where only the title stands, on a machine without fonts. */
function titleInk(svg: string): number {
  const { pixels, width } = new Resvg(svg, { font: { loadSystemFonts: false } }).render();
  let dark = 0;
  for (let y = 0; y < 60; y++) for (let x = 0; x < 150; x++) if (defined(pixels[(y * width + x) * 4]) < 128) dark++;
  return dark;
}

describe("charts", () => {
  test("are SVG and PNG of 1,500 pixels or so; without a test there is no confusion matrix", async () => {
    writeRows({ epochs: 3 });
    await drawCharts(folder, undefined);
    expect(readdirSync(folder.charts)).toEqual(["accuracy.png", "accuracy.svg", "loss.png", "loss.svg"]);
    const png = readFileSync(join(folder.charts, "loss.png"));
    expect(png.subarray(1, 4).toString()).toBe("PNG");
    expect(png.readUInt32BE(16)).toBe(Math.round(2 * Number(defined(/width="([\d.]+)"/.exec(svgOf("loss")))[1])));
    expect(png.readUInt32BE(16)).toBeGreaterThan(1400);
    await drawCharts(folder, report);
    expect(readdirSync(folder.charts)).toContain("confusion.png");
  });

  test("have their text as outlines, so that it can be read without fonts, and a title", async () => {
    writeRows({ epochs: 3 });
    await drawCharts(folder, report);
    for (const name of ["loss", "accuracy", "confusion"]) {
      expect(svgOf(name)).not.toMatch(/<text|font-family/);
      expect(titleInk(svgOf(name))).toBeGreaterThan(100);
      expect(svgOf(name)).toMatch(/^<svg[^>]*><title>(Loss|Accuracy|Confusion matrix)<\/title>/);
    }
  });

  test("of three epochs or more show a point for each epoch and part", async () => {
    writeRows({ epochs: 4 });
    await drawCharts(folder, undefined);
    // For each part a line, a point an epoch, and a mark in the legend.
    expect(count(svgOf("loss"), BLUE)).toBe(6);
    expect(count(svgOf("loss"), VERMILION)).toBe(6);
  });

  test("of fewer epochs show the steps, their moving mean and the validation's points", async () => {
    writeRows({ epochs: 1 });
    await drawCharts(folder, undefined);
    // Two lines and a mark in the legend; a point and a mark.
    expect(count(svgOf("accuracy"), BLUE)).toBe(3);
    expect(count(svgOf("accuracy"), VERMILION)).toBe(2);
  });

  test.each([1, 3])("of %d epochs without validation have one part", async (epochs) => {
    writeRows({ epochs, validation: false });
    await drawCharts(folder, undefined);
    expect(count(svgOf("loss"), BLUE)).toBeGreaterThan(2);
    expect(count(svgOf("loss"), VERMILION)).toBe(0);
  });

  test("can be drawn of a run without steps", async () => {
    await drawCharts(folder, undefined);
    expect(readdirSync(folder.charts)).toContain("loss.png");
  });

  test("of many classes leave out the numbers and stay small", async () => {
    const classes = Array.from({ length: 1000 }, (_, i) => `class ${i}`);
    const confusion = classes.map((_, i) => classes.map((_, j) => (j === i ? 40 : j === (i * 7) % 1000 ? 10 : 0)));
    await drawCharts(folder, makeReport({ samples: 50_000, lossSum: 1, confusion }, classes));
    expect(svgOf("confusion").length).toBeLessThan(5_000_000);
  });
});
