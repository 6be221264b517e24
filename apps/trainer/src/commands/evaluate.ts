/** `pnpm evaluate`: tests the model of a run again. */
import type { EvaluateOptions } from "@lockstep/config/programs";
import { openBatchThread, parseNormalize } from "@lockstep/dataset";
import { makeReport, testLine } from "@lockstep/run";
import {
  Batches,
  downloadProgress,
  EVALUATION_ROWS,
  evaluateAll,
  loadTrainedModel,
  plannedRequests,
} from "@lockstep/training";

/** Prints loss and accuracy on the test set, and precision and recall of each class. */
export async function evaluate({ run: dir, dataDir, ...machine }: EvaluateOptions): Promise<void> {
  const { run, replica } = await loadTrainedModel(dir, machine);
  const { inputShape, numClasses, classes, steps } = run.derived;
  const [height, width] = inputShape;
  const normalize = parseNormalize(run.normalize);
  const config = { ...run, dataDir: dataDir ?? run.dataDir, height, width, normalize };
  const thread = await openBatchThread(config, { onProgress: downloadProgress(console.error), log: console.error });
  try {
    const samples = thread.meta.testSamples;
    const rows = Math.min(EVALUATION_ROWS, run.maxRows ?? EVALUATION_ROWS);
    const task = { type: "evaluate", split: "test", samples, epoch: 0, step: steps } as const;
    const batches = new Batches(thread, plannedRequests([task], { evaluationRows: rows }));
    const plan = { split: "test" as const, samples, rows, classes: numClasses, signal: new AbortController().signal };
    const totals = await evaluateAll(replica, batches, plan);
    if (totals === undefined) return; // unreachable: nothing aborts it
    const report = makeReport(totals, classes);
    console.log(testLine(report));
    for (const { class: name, precision, recall } of report.perClass) {
      console.log(`${name.padEnd(20)} precision ${percent(precision)}  recall ${percent(recall)}`);
    }
  } finally {
    await thread.close();
  }
}

/** Returns a fraction as a percentage; a dash for null, the precision of a class without predictions. */
function percent(fraction: number | null): string {
  return fraction === null ? "     —" : `${(100 * fraction).toFixed(1).padStart(5)}%`;
}
