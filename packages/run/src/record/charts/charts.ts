/** The charts of a run: its loss and its accuracy over time, and its confusion matrix. */
import { join } from "node:path";
import { readMetrics } from "../../folder/metrics.ts";
import type { Report } from "../../folder/report.ts";
import type { RunFolder } from "../../folder/run-folder.ts";
import { confusionChart } from "./confusion-chart.ts";
import { type Measure, measureChart } from "./measure-chart.ts";
import { renderChart } from "./render-chart.ts";

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
    await renderChart(join(folder.charts, measure.file), measure.title, measureChart(measure, rows));
  }
  if (report === undefined) return;
  await renderChart(join(folder.charts, "confusion"), "Confusion matrix", confusionChart(report));
}
