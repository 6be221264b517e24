/**
 * `pnpm bench results`: the table of docs/results.md's performance section.
 *
 *     pnpm bench results --json step.json sync.json network.json start.json --bound sync/step=1 sync/cost=0.25
 */
import type { BenchResultsOptions } from "@lockstep/config/programs";
import { readResult } from "./results/result.ts";
import { parseBounds, resultsTable } from "./results/results-table.ts";

/** Prints the table. */
export function benchResults({ json, bound }: BenchResultsOptions): void {
  console.log(resultsTable(json.map(readResult), parseBounds(bound)));
}
