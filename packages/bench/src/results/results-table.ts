/** Makes the performance table of docs/results.md from the result files of benches. */
import { LockstepError } from "@lockstep/errors";
import { type Figure, valueWords, withUnit } from "./figure.ts";
import type { BenchResult } from "./result.ts";

/** The bound of each figure: with a peer the minimum ratio, without one the maximum value. */
export type Bounds = ReadonlyMap<string, number>;

/**
 * Parses bounds: `sync/step=1.1` maps "sync/step" to 1.1, in the unit of the result file (a share of 20 % is 0.2).
 *
 * @throws LockstepError ERR_OPTION
 */
export function parseBounds(words: readonly string[]): Bounds {
  return new Map(
    words.map((word) => {
      const [, figure, number] = /^([^=]+\/[^=]+)=(\d+(?:\.\d+)?)$/.exec(word) ?? [];
      if (figure !== undefined) return [figure, Number(number)];
      throw new LockstepError(
        "ERR_OPTION",
        `Expected --bound to be a figure and a number, such as sync/step=1.1, got ${word}.`,
      );
    }),
  );
}

/**
 * Returns a Markdown table with a row per figure; below it the machines, and the command and raw values of each bench.
 */
export function resultsTable(results: readonly BenchResult[], bounds: Bounds = new Map()): string {
  const known = results.flatMap(({ bench, figures }) => figures.map(({ id }) => `${bench}/${id}`));
  const unknown = [...bounds.keys()].find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw new LockstepError(
      "ERR_OPTION",
      `Expected --bound to name a figure of these files (${known.join(", ")}), got ${unknown}.`,
    );
  const rows = results.flatMap((result) =>
    result.figures.map((figure) => row(result.bench, figure, bounds.get(`${result.bench}/${figure.id}`))),
  );
  const machines = [...new Set(results.map(machineWords))];
  return [
    "| bench | | Lockstep | PyTorch | ratio | bound |",
    "| --- | --- | --- | --- | --- | --- |",
    ...rows,
    "",
    ...machines.map((machine) => `Machine: ${machine}.`),
    "",
    ...results.flatMap(rawLines),
    "",
  ].join("\n");
}

function row(bench: string, figure: Figure, bound: number | undefined): string {
  const { name, lockstep, peer, ratio } = figure;
  const cells = [
    bench,
    name,
    valueWords(lockstep, figure),
    peer === undefined ? "—" : valueWords(peer, figure),
    ratio === undefined ? "—" : `${ratio.toFixed(3)} ×`,
    bound === undefined ? "—" : boundWords(figure, bound),
  ];
  return `| ${cells.join(" | ")} |`;
}

function boundWords({ unit, lockstep, ratio }: Figure, bound: number): string {
  const met = ratio === undefined ? lockstep <= bound : ratio >= bound;
  const limit = ratio === undefined ? `≤ ${withUnit(bound, unit)}` : `≥ ${bound} ×`;
  return `${limit}, ${met ? "met" : "**missed**"}`;
}

function machineWords({ machine: { cpu, cores, memoryGiB, platform }, versions: { node } }: BenchResult): string {
  return `${cores} cores of ${cpu}, ${memoryGiB} GiB, ${platform}, Node ${node}`;
}

function rawLines({ bench, command, date, versions, notes, figures }: BenchResult): string[] {
  const { node: _, ...others } = versions;
  const versionWords = Object.entries(others).map(([name, version]) => `${name} ${version}`);
  return [
    `- **${bench}**, ${date.slice(0, 10)}: \`${command}\`; ${versionWords.join("; ")}.`,
    ...notes.map((note) => `  - ${note}`),
    ...figures.map((figure) => `  - ${figure.id}: ${sides(figure).join("; ")}`),
  ];
}

/** Returns the median of each round. The value of each step is in the JSON file. */
function sides({ unit, rounds, peerName = "PyTorch" }: Figure): string[] {
  const values = (side: string, raw: number[]) => `${side} ${raw.map((value) => withUnit(value, unit)).join(", ")}`;
  return [values("Lockstep", rounds.lockstep), ...(rounds.peer.length > 0 ? [values(peerName, rounds.peer)] : [])];
}
