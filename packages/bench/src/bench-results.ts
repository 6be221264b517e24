/**
 * `pnpm bench results`: prints the performance table of docs/results.md.
 *
 *     pnpm bench results --json step.json sync.json network.json start.json --bound sync/step=1 sync/cost=0.25
 */
import type { BenchResultsOptions } from "@lockstep/config/programs";
import { readResult } from "./results/result.ts";
import { parseBounds, resultsTable } from "./results/results-table.ts";

/** Prints the table of the result files. */
export function benchResults({ json, bound }: BenchResultsOptions): void {
  console.log(resultsTable(json.map(readResult), parseBounds(bound)));
}
