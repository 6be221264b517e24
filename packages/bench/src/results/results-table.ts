/** The table of docs/results.md's performance section, from the JSON files of benches. */
import { LockstepError } from "@lockstep/errors";
import { type Figure, valueWords, withUnit } from "./figure.ts";
import type { BenchResult } from "./result.ts";

/** What was promised of a figure: with a peer the least ratio, without one the most that it may come to. */
export type Bounds = ReadonlyMap<string, number>;

/**
 * `sync/step=1.1` → "sync/step" → 1.1. Milliseconds, seconds, bytes and shares (0.2 for 20 %) are as in the files.
 *
 * @throws LockstepError ERR_OPTION
 */
export function parseBounds(words: readonly string[]): Bounds {
  return new Map(
    words.map((word) => {
      const [, figure, number] = /^([^=]+\/[^=]+)=(\d+(?:\.\d+)?)$/.exec(word) ?? [];
      if (figure !== undefined) return [figure, Number(number)];
      throw new LockstepError("ERR_OPTION", `Expected --bound to be such as sync/step=1.1, got ${word}.`);
    }),
  );
}

/** Markdown: a row for each figure; below it the machines, and for each bench its command and the raw values. */
export function resultsTable(results: readonly BenchResult[], bounds: Bounds = new Map()): string {
  const known = results.flatMap(({ bench, figures }) => figures.map(({ id }) => `${bench}/${id}`));
  const unknown = [...bounds.keys()].find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw new LockstepError(
      "ERR_OPTION",
      `There is no figure ${unknown} in these files; there are ${known.join(", ")}.`,
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
  const promise = ratio === undefined ? `≤ ${withUnit(bound, unit)}` : `≥ ${bound} ×`;
  return `${promise}, ${met ? "met" : "**missed**"}`;
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

/** The median of each round; every step's value is in the JSON file. */
function sides({ unit, rounds, peerName = "PyTorch" }: Figure): string[] {
  const values = (side: string, raw: number[]) => `${side} ${raw.map((value) => withUnit(value, unit)).join(", ")}`;
  return [values("Lockstep", rounds.lockstep), ...(rounds.peer.length > 0 ? [values(peerName, rounds.peer)] : [])];
}
