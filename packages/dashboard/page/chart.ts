/** Draws curves over the steps of a run, in the page's colours. */
import uPlot from "uplot";
import { lastIndexOf, type Table, valueAt } from "../src/curves.ts";
import { figure, markLabels, percent, ROUND_STEPS } from "../src/format.ts";

/** A curve of a chart. */
export interface Curve {
  /** Name in the legend. */
  label: string;
  /** A custom property of the page's style sheet. */
  color: `--${string}`;
  /** Line style; "none" is for the edge of a band. @default a solid line */
  lineStyle?: "dots" | "faint" | "dashed" | "none";
}

/** The curves of a chart, and its y axis. */
export interface ChartOptions {
  curves: readonly Curve[];
  /** Pairs of curves, numbered from 1, with the area between them filled. */
  bands?: [number, number][];
  /** The quantity that the curves show. @default "number" */
  unit?: "number" | "percent";
  /** Whether the y axis starts at 0. @default false */
  fromZero?: boolean;
}

/** The series with a value at each step of the shown run. A dashed curve is of another run. */
const SHOWN_RUN = 1;
const HEIGHT = 220;
const AXIS_WIDTH = 52;
const AXIS_HEIGHT = 28;
const style = () => getComputedStyle(document.documentElement);
const color = (name: string) => style().getPropertyValue(name).trim();

/** A chart on the page. Each `show` replaces its curves. */
export class Chart {
  readonly #plot: uPlot;
  readonly #container: HTMLElement;

  constructor(container: HTMLElement, options: ChartOptions) {
    this.#container = container;
    const none = options.curves.map(() => []) as unknown as uPlot.AlignedData;
    this.#plot = new uPlot(plotOptions(widthOf(container), options), none, container);
    new ResizeObserver(() => this.#plot.setSize({ width: widthOf(container), height: HEIGHT })).observe(container);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#plot.redraw());
  }

  /** Draws the tables, which may differ in their x values, and describes them to screen readers. */
  show(tables: Table[], summary: string): void {
    this.#plot.setData(
      tables.length === 1 ? (tables[0] as uPlot.AlignedData) : uPlot.join(tables as uPlot.AlignedData[]),
    );
    this.#container.setAttribute("aria-label", summary);
  }
}

function widthOf(container: HTMLElement): number {
  return Math.max(container.clientWidth, 100);
}

function plotOptions(width: number, { curves, bands = [], unit, fromZero = false }: ChartOptions): uPlot.Options {
  const format = unit === "percent" ? (value: number) => percent(value) : figure;
  return {
    width,
    height: HEIGHT,
    scales: { x: { time: false }, y: { range: (_, low, high) => rangeOf(low, high, fromZero) } },
    axes: axesOf(unit),
    series: [
      { label: "step", value: (_, x) => x?.toLocaleString("en") ?? "—" },
      ...curves.map((curve, index) => seriesOf(curve, format, curve.lineStyle === "dashed" ? index + 1 : SHOWN_RUN)),
    ],
    bands: bands.map((series) => ({ series, fill: () => `${color("--accent")}22` })),
    padding: [8, 28, 0, 0], // half of the last label is right of its tick
    hooks: { draw: [showLast] },
    cursor: { y: false, points: { size: 7 } },
  };
}

/** Returns the x axis, with whole numbers only, and the y axis. */
function axesOf(unit: ChartOptions["unit"] = "number"): uPlot.Axis[] {
  const axis = {
    stroke: () => color("--soft"),
    grid: { stroke: () => color("--line"), width: 1 },
    ticks: { show: false },
  };
  return [
    {
      ...axis,
      size: AXIS_HEIGHT,
      values: (_, marks) => marks.map((mark) => (Number.isInteger(mark) ? mark.toLocaleString("en") : "")),
    },
    {
      ...axis,
      size: AXIS_WIDTH,
      incrs: [...ROUND_STEPS],
      values: ({ data }, marks, _, __, step) => (data[0].length === 0 ? [] : markLabels(marks, step, unit)),
    },
  ];
}

/** @param steps the series with a value at each step of the curve's run */
function seriesOf(
  { label, color: name, lineStyle }: Curve,
  format: (value: number) => string,
  steps: number,
): uPlot.Series {
  const common = {
    label,
    spanGaps: true,
    value: (plot: uPlot, _: number, series: number, index: number | null) => {
      const value = valueAt(plot.data[series] ?? [], plot.data[steps] ?? [], index);
      return value === undefined ? "—" : format(value);
    },
  };
  const stroke = () => color(name);
  switch (lineStyle) {
    case "dots":
      return { ...common, stroke, width: 1.5, points: { show: true, size: 7, fill: stroke } };
    case "faint":
      return { ...common, stroke: () => `${color(name)}55`, width: 1, points: { show: false } };
    case "dashed":
      return { ...common, stroke, width: 1.5, dash: [6, 4], points: { show: false } };
    case "none":
      return { ...common, stroke, width: 0, points: { show: false }, class: "hidden" };
    default:
      return { ...common, stroke, width: 2, points: { show: false } };
  }
}

/** Shows the values of the shown run's last step in the legend while the pointer is not on the chart. */
function showLast(plot: uPlot): void {
  const last = lastIndexOf(plot.data[SHOWN_RUN] ?? []);
  if (plot.cursor.idx == null && last >= 0) plot.setLegend({ idx: last }, false);
}

function rangeOf(low: number | null, high: number | null, fromZero: boolean): [number, number] {
  if (low === null || high === null) return [0, 1];
  const bottom = fromZero ? 0 : low;
  const margin = (high - bottom || Math.abs(high) || 1) * 0.06;
  return [fromZero ? 0 : Math.max(bottom - margin, bottom >= 0 ? 0 : Number.NEGATIVE_INFINITY), high + margin];
}
