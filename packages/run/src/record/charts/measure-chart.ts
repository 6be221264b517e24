/** Draws a measure, such as the loss, over a run: training as a curve, validation as dots. */
import { at } from "@lockstep/errors";
import type { TopLevelSpec } from "vega-lite";
import type { EpochRow, MetricsRow, StepRow } from "../../folder/metrics.ts";
import { mean } from "../../statistics.ts";

/** Okabe and Ito's blue and vermilion, which colour-blind people can tell apart. */
const COLORS = { train: "#0072B2", validation: "#D55E00" };

/** Minimum number of epochs for a curve over the epochs; with fewer, the curve is over the steps. */
const MIN_EPOCHS = 2;
/** Maximum number of points of a curve over the steps; each is the mean of equally many steps. */
const MAX_POINTS = 400;
/** Window of the moving mean, as a fraction of all points. */
const WINDOW = 1 / 20;

/** A quantity that a chart shows over time: its names, and how to read it from the rows of metrics.jsonl. */
export interface Measure {
  file: string;
  title: string;
  axis: string;
  format: string;
  ofStep: (row: StepRow) => number;
  ofTraining: (row: EpochRow) => number;
  ofValidation: (row: EpochRow) => number | undefined;
}

type Series = keyof typeof COLORS;
interface Point {
  x: number;
  value: number;
  series: Series;
}

/** Returns the chart of a measure: over the epochs if there are several, else over the steps. */
export function measureChart(measure: Measure, rows: readonly MetricsRow[]): TopLevelSpec {
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

/** Returns at most MAX_POINTS points, each the mean of equally many consecutive ones. */
function binned(points: readonly Point[]): Point[] {
  const size = Math.max(1, Math.ceil(points.length / MAX_POINTS));
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    return meanOf(points.slice(i * size, (i + 1) * size), at(points, i * size).x);
  });
}

/** Returns the moving mean: each point becomes the mean of a window around it, cut off at both ends. */
function smoothed(points: readonly Point[]): Point[] {
  const half = Math.ceil((points.length * WINDOW) / 2);
  return points.map(({ x }, i) => meanOf(points.slice(Math.max(0, i - half), i + half + 1), x));
}

function meanOf(points: readonly Point[], x: number): Point {
  return { x, value: mean(points.map(({ value }) => value)), series: "train" };
}
