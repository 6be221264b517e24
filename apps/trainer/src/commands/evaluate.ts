/** `pnpm evaluate`: the test of a trained model, again. */
import { openBatchThread, parseNormalize } from "@lockstep/dataset";
import { addEvaluation, emptyEvaluation, type MachineOptions, makeReport, testLine } from "@lockstep/run";
import { evaluateBatch } from "@lockstep/training";
import { downloadProgress } from "../prepare.ts";
import { loadTrainedModel } from "../trained-model.ts";

export interface EvaluateOptions extends MachineOptions {
  run: string;
  dataDir?: string;
}

/** Samples of a batch. */
const ROWS = 128;

export async function evaluate({ run: dir, dataDir, ...machine }: EvaluateOptions): Promise<void> {
  const { run, replica } = await loadTrainedModel(dir, machine);
  const { inputShape, numClasses, classes } = run.derived;
  const [height, width] = inputShape;
  const normalize = parseNormalize(run.normalize);
  const config = { ...run, dataDir: dataDir ?? run.dataDir, height, width, normalize };
  const thread = await openBatchThread(config, { onProgress: downloadProgress((line) => console.error(line)) });
  const { testSamples } = thread.meta;
  const total = emptyEvaluation(numClasses);
  const request = (start: number) =>
    start < testSamples && thread.request({ part: "test", epoch: 0, start, end: Math.min(start + ROWS, testSamples) });
  request(0);
  for (let start = 0; start < testSamples; start += ROWS) {
    request(start + ROWS);
    addEvaluation(total, await evaluateBatch(replica, await thread.take()));
  }
  await thread.close();
  const report = makeReport(total, classes);
  console.log(testLine(report));
  for (const { class: name, precision, recall } of report.perClass) {
    console.log(`${name.padEnd(20)} precision ${percent(precision)}  recall ${percent(recall)}`);
  }
}

/** A precision without predictions does not exist. */
function percent(fraction: number | null): string {
  return fraction === null ? "     —" : `${(100 * fraction).toFixed(1).padStart(5)}%`;
}
