/** The report of a test: the accuracy of the model, in total and for each class. */

import { existsSync, readFileSync } from "node:fs";
import { at } from "@lockstep/errors";
import { writeSmallFile } from "@lockstep/files";
import { z } from "zod";
import { correctOf, type Evaluation } from "../evaluation.ts";
import { sum } from "../statistics.ts";

const fraction = z.number().min(0).max(1);

const reportSchema = z.object({
  /** Fraction of the samples. */
  accuracy: fraction,
  /** Mean over the samples. */
  loss: z.number(),
  samples: z.number(),
  classes: z.array(z.string()),
  perClass: z.array(
    z.object({
      class: z.string(),
      /** Fraction of the samples predicted as the class that are of it; null if there are none. */
      precision: fraction.nullable(),
      /** Fraction of the class's samples that were predicted as it; null if there are none. */
      recall: fraction.nullable(),
      samples: z.number(),
    }),
  ),
  /** confusion[label][prediction], in samples. */
  confusion: z.array(z.array(z.number())),
  /** Predicted class of each test sample, in the order of the data set. Reports of earlier versions have none. */
  predictions: z.array(z.number()).optional(),
});

/** The content of report.json. */
export type Report = z.infer<typeof reportSchema>;

/** Returns the report of an evaluation. @param classes names of the classes, in the order of the labels */
export function makeReport(evaluation: Evaluation, classes: readonly string[]): Report {
  const { samples, lossSum, confusion } = evaluation;
  const perClass = classes.map((name, i) => {
    const labelled = sum(at(confusion, i));
    const predicted = sum(confusion.map((row) => at(row, i)));
    const correct = at(at(confusion, i), i);
    return {
      class: name,
      precision: predicted === 0 ? null : correct / predicted,
      recall: labelled === 0 ? null : correct / labelled,
      samples: labelled,
    };
  });
  const accuracy = correctOf(evaluation) / samples;
  const { predictions } = evaluation;
  const loss = lossSum / samples;
  return { accuracy, loss, samples, classes: [...classes], perClass, confusion, ...(predictions && { predictions }) };
}

/** Reads the report of a run; undefined if there is none that can be read. */
export function readReport(path: string): Report | undefined {
  if (!existsSync(path)) return undefined;
  return reportSchema.safeParse(JSON.parse(readFileSync(path, "utf8"))).data;
}

/** Writes the report as JSON, with a line for each class and each row of the confusion matrix. */
export function writeReport(path: string, report: Report): void {
  const lines = Object.entries(report).map(([key, value]) => `  ${JSON.stringify(key)}: ${jsonOf(key, value)}`);
  writeSmallFile(path, `{\n${lines.join(",\n")}\n}\n`);
}

function jsonOf(key: string, value: Report[keyof Report]): string {
  if (!Array.isArray(value) || key === "classes" || key === "predictions") return JSON.stringify(value);
  return `[\n${value.map((item) => `    ${JSON.stringify(item)}`).join(",\n")}\n  ]`;
}
