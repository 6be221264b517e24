/** The charts of a run: its loss and its accuracy over time, and which classes its test took for which. */
import { join } from "node:path";
import type { TopLevelSpec } from "vega-lite";
import type { RunFolder } from "../../folder/run-folder.ts";
import { type EpochRow, type MetricsRow, readMetrics, type StepRow } from "../metrics.ts";
import type { Report } from "../report.ts";
import { renderChart } from "./render-chart.ts";

/** Okabe and Ito's blue and vermilion, which colour-blind people can tell apart. */
const COLORS = { train: "#0072B2", validation: "#D55E00" };

/** One epoch is a dot, so then the steps are drawn. */
const MIN_EPOCHS = 2;
/** Points of a curve over the steps; each is the mean of as many steps as come to one. */
const MAX_POINTS = 400;
/** The smooth curve's window, as a part of all points. */
const WINDOW = 1 / 20;
/** With more classes than these, counts in the cells could not be read. */
const MAX_COUNTED_CLASSES = 20;
/** With more classes than these, names would not fit beside the cells. */
const MAX_NAMED_CLASSES = 40;

/** One of the two measures that a run is followed by: how it is called and where the rows have it. */
interface Measure {
  file: string;
  title: string;
  axis: string;
  format: string;
  ofStep: (row: StepRow) => number;
  ofTraining: (row: EpochRow) => number;
  ofValidation: (row: EpochRow) => number | undefined;
}

const measures: Measure[] = [
  {
    file: "loss",
    title: "Loss",
    axis: "Cross-entropy per image (nats)",
    format: ".3~r",
    ofStep: ({ loss }) => loss,
    ofTraining: ({ trainLoss }) => trainLoss,
    ofValidation: ({ evalLoss }) => evalLoss,
  },
  {
    file: "accuracy",
    title: "Accuracy",
    axis: "Images classified correctly (%)",
    format: "~%",
    ofStep: ({ correct, samples }) => correct / samples,
    ofTraining: ({ trainAccuracy }) => trainAccuracy,
    ofValidation: ({ evalAccuracy }) => evalAccuracy,
  },
];

/** Draws the charts of a run from its metrics, and from the report of its test if it had one, as .svg and .png. */
export async function drawCharts(folder: RunFolder, report: Report | undefined): Promise<void> {
  const rows = readMetrics(folder.metrics);
  for (const measure of measures) {
    await renderChart(join(folder.charts, measure.file), measure.title, curves(measure, rows));
  }
  if (report === undefined) return;
  await renderChart(join(folder.charts, "confusion"), "Confusion matrix", confusionMatrix(report));
}

type Series = keyof typeof COLORS;
interface Point {
  x: number;
  value: number;
  series: Series;
}

function curves(measure: Measure, rows: readonly MetricsRow[]): TopLevelSpec {
  const epochs = rows.filter((row) => row.type === "epoch");
  const steps = rows.filter((row) => row.type === "step");
  return epochs.length >= MIN_EPOCHS ? overEpochs(measure, epochs) : overSteps(measure, steps, epochs);
}

function overEpochs(measure: Measure, epochs: readonly EpochRow[]): TopLevelSpec {
  const train = epochs.map((row): Point => ({ x: row.epoch, value: measure.ofTraining(row), series: "train" }));
  const points = [...train, ...validationPoints(measure, epochs, ({ epoch }) => epoch)];
  const encoding = encodingOf(measure, points, "Epoch");
  return {
    ...frame(measure.title, "mean over each epoch"),
    data: { values: points },
    layer: [{ mark: { type: "line", strokeWidth: 2.5, point: { size: 50, filled: true } }, encoding }],
  };
}

function overSteps(measure: Measure, steps: readonly StepRow[], epochs: readonly EpochRow[]): TopLevelSpec {
  const raw = binned(steps.map((row): Point => ({ x: row.step + 1, value: measure.ofStep(row), series: "train" })));
  const validation = validationPoints(measure, epochs, ({ step }) => step);
  const encoding = encodingOf(measure, [...raw, ...validation], "Step");
  return {
    ...frame(measure.title, "batches, and their moving mean"),
    layer: [
      { data: { values: raw }, mark: { type: "line", strokeWidth: 1, opacity: 0.3 }, encoding },
      { data: { values: smoothed(raw) }, mark: { type: "line", strokeWidth: 2.5 }, encoding },
      { data: { values: validation }, mark: { type: "point", filled: true, size: 110, opacity: 1 }, encoding },
    ],
  };
}

function validationPoints(measure: Measure, epochs: readonly EpochRow[], xOf: (row: EpochRow) => number): Point[] {
  return epochs.flatMap((row) => {
    const value = measure.ofValidation(row);
    return value === undefined ? [] : [{ x: xOf(row), value, series: "validation" as const }];
  });
}

function frame(title: string, subtitle: string) {
  return { width: 640, height: 360, padding: 20, title: { text: title, subtitle } };
}

function encodingOf(measure: Measure, points: readonly Point[], xTitle: string) {
  const series = (["train", "validation"] as const).filter((name) => points.some((point) => point.series === name));
  const legend = {
    orient: "top" as const,
    offset: 8,
    symbolType: "circle",
    symbolSize: 120,
    symbolOpacity: 1,
    symbolStrokeWidth: 0,
  };
  return {
    x: {
      field: "x",
      type: "quantitative" as const,
      title: xTitle,
      scale: { nice: false, zero: false },
      axis: { grid: false, format: ",d", tickMinStep: 1, tickCount: 10, labelFlush: false },
    },
    y: {
      field: "value",
      type: "quantitative" as const,
      title: measure.axis,
      scale: { zero: true, nice: true },
      axis: { format: measure.format },
    },
    color: {
      field: "series",
      type: "nominal" as const,
      title: null,
      scale: { domain: series, range: series.map((name) => COLORS[name]) },
      legend,
    },
  };
}

/** At most MAX_POINTS points, each the mean of equally many in a row. */
function binned(points: readonly Point[]): Point[] {
  const size = Math.max(1, Math.ceil(points.length / MAX_POINTS));
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    return meanOf(points.slice(i * size, (i + 1) * size), points[i * size]!.x);
  });
}

/** The mean of a window around each point, which is cut off at both ends. */
function smoothed(points: readonly Point[]): Point[] {
  const half = Math.ceil((points.length * WINDOW) / 2);
  return points.map(({ x }, i) => meanOf(points.slice(Math.max(0, i - half), i + half + 1), x));
}

function meanOf(points: readonly Point[], x: number): Point {
  return { x, value: points.reduce((sum, { value }) => sum + value, 0) / points.length, series: "train" };
}

function confusionMatrix({ confusion, classes, accuracy, samples }: Report): TopLevelSpec {
  const cells = confusion.flatMap((row, label) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.flatMap((count, prediction) =>
      count === 0 ? [] : [{ label: classes[label], prediction: classes[prediction], count, share: count / total }],
    );
  });
  const cellPx = Math.max(1, Math.min(56, Math.floor(600 / classes.length)));
  const axis = { domain: false, ticks: false, labels: classes.length <= MAX_NAMED_CLASSES, labelLimit: 200 };
  const position = { type: "nominal" as const, scale: { domain: classes } };
  const encoding = {
    x: {
      ...position,
      field: "prediction",
      title: "Predicted class",
      axis: { ...axis, labelAngle: -40, titlePadding: 0 },
    },
    y: { ...position, field: "label", title: "True class", axis: { ...axis, titlePadding: 0 } },
  };
  const share = {
    field: "share",
    type: "quantitative" as const,
    title: "Share of class",
    scale: { range: ["#ffffff", "#6baed6", "#08306b"], domain: [0, 0.5, 1], interpolate: "rgb" as const },
    legend: { format: ".0%", gradientLength: 200 },
  };
  const white = { test: "datum.share > 0.45", value: "white" };
  const numbers = {
    mark: { type: "text" as const, fontSize: 14 },
    encoding: { text: { field: "count", format: "," }, color: { condition: white, value: "#333333" } },
  };
  return {
    padding: 20,
    width: classes.length * cellPx,
    height: classes.length * cellPx,
    title: {
      text: "Confusion matrix",
      subtitle: `${samples.toLocaleString("en")} test images, ${(accuracy * 100).toFixed(2)}% right`,
    },
    view: { stroke: "#e8e8e8" },
    data: { values: cells },
    encoding,
    layer: [
      { mark: { type: "rect", stroke: "#e8e8e8" }, encoding: { color: share } },
      ...(classes.length <= MAX_COUNTED_CLASSES ? [numbers] : []),
    ],
  };
}
