/**
 * The chart of a confusion matrix: a square per pair of true and predicted class, darker for a
 * larger share of the class.
 */
import type { TopLevelSpec } from "vega-lite";
import type { Report } from "../../folder/report.ts";
import { sum } from "../../statistics.ts";

/** With more classes than these, counts in the cells could not be read. */
const MAX_COUNTED_CLASSES = 20;
/** With more classes than these, names would not fit beside the cells. */
const MAX_NAMED_CLASSES = 40;
const BORDER = "#e8e8e8";

/** Returns the chart of a test's confusion matrix. */
export function confusionChart({ confusion, classes, accuracy, samples }: Report): TopLevelSpec {
  const sidePx = classes.length * Math.max(1, Math.min(56, Math.floor(600 / classes.length)));
  return {
    padding: 20,
    width: sidePx,
    height: sidePx,
    title: {
      text: "Confusion matrix",
      subtitle: `${samples.toLocaleString("en")} test images, ${(accuracy * 100).toFixed(2)}% correct`,
    },
    view: { stroke: BORDER },
    data: { values: cellsOf(confusion, classes) },
    encoding: positions(classes),
    layer: [
      { mark: { type: "rect", stroke: BORDER }, encoding: { color: shareColor } },
      ...(classes.length <= MAX_COUNTED_CLASSES ? [counts] : []),
    ],
  };
}

/** Returns the cells that have samples, each with its share of the samples of its true class. */
function cellsOf(confusion: number[][], classes: readonly string[]) {
  return confusion.flatMap((row, label) => {
    const total = sum(row);
    return row.flatMap((count, prediction) =>
      count === 0 ? [] : [{ label: classes[label], prediction: classes[prediction], count, share: count / total }],
    );
  });
}

/** Returns the axes: predicted classes to the right, true classes downwards. */
function positions(classes: readonly string[]) {
  const axis = { domain: false, ticks: false, labels: classes.length <= MAX_NAMED_CLASSES, labelLimit: 200 };
  const position = { type: "nominal" as const, scale: { domain: [...classes] } };
  const predicted = { ...axis, labelAngle: -40, titlePadding: 0 };
  return {
    x: { ...position, field: "prediction", title: "Predicted class", axis: predicted },
    y: { ...position, field: "label", title: "True class", axis: { ...axis, titlePadding: 0 } },
  };
}

const shareColor = {
  field: "share",
  type: "quantitative" as const,
  title: "Share of class",
  scale: { range: ["#ffffff", "#6baed6", "#08306b"], domain: [0, 0.5, 1], interpolate: "rgb" as const },
  legend: { format: ".0%", gradientLength: 200 },
};

/** The number of samples in each cell, in white where the cell is dark. */
const counts = {
  mark: { type: "text" as const, fontSize: 14 },
  encoding: {
    text: { field: "count", format: "," },
    color: { condition: { test: "datum.share > 0.45", value: "white" }, value: "#333333" },
  },
};
