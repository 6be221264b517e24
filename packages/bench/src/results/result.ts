/** The result of a bench: figures to compare, and everything that they come from. One JSON file for each run of one. */
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { LockstepError } from "@lockstep/errors";
import { pathKind } from "@lockstep/files";
import { writeJson } from "@lockstep/run";
import { type Figure, linesOf } from "./figure.ts";
import { lockstepVersion } from "./lockstep-version.ts";

/** All that a bench found, with when and where. */
export interface BenchResult {
  /** `sync`, `network-1gbit`, … */
  bench: string;
  /** Command line that was typed. */
  command: string;
  /** ISO 8601. */
  date: string;
  machine: { cpu: string; cores: number; memoryGiB: number; platform: string };
  versions: Record<string, string>;
  setting: Record<string, unknown>;
  /** Notes for the reader: what was left out and why, what a link really carried. */
  notes: string[];
  figures: Figure[];
  /** Every measured value. */
  raw: unknown;
}

/** The part of a result that the bench itself knows. */
export type Measurement = Pick<BenchResult, "bench" | "versions" | "setting" | "notes" | "figures" | "raw">;

/** Adds when and where, prints the figures, and writes the file if there is to be one. */
export function publish(measurement: Measurement, json: string | undefined): void {
  const result: BenchResult = {
    bench: measurement.bench,
    command: `pnpm ${process.argv.slice(2).join(" ")}`,
    date: new Date().toISOString(),
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      platform: `${process.platform} ${release()}`,
    },
    versions: { lockstep: lockstepVersion(), node: process.version, ...measurement.versions },
    setting: measurement.setting,
    notes: measurement.notes,
    figures: measurement.figures,
    raw: measurement.raw,
  };
  console.log(result.figures.flatMap(linesOf).join("\n"));
  if (json !== undefined) writeJson(json, result);
}

/** @throws LockstepError ERR_BENCH if the file isn't one that a bench wrote */
export function readResult(path: string): BenchResult {
  if (pathKind(path) === "folder") throw new LockstepError("ERR_BENCH", `${path} is a folder; name a file in it.`);
  let result: Partial<BenchResult>;
  try {
    result = JSON.parse(readFileSync(path, "utf8")) as Partial<BenchResult>;
  } catch (cause) {
    throw new LockstepError("ERR_BENCH", `Cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  const { bench, command, date, machine, versions, figures } = result;
  if (!bench || !command || !date || !machine || !versions || !Array.isArray(figures)) {
    const text = `Expected ${path} to be a file that \`pnpm bench … --json\` wrote; it lacks some of bench, command, date, machine, versions, figures.`;
    throw new LockstepError("ERR_BENCH", text);
  }
  return result as BenchResult;
}

/** Prints the notes that there are, and returns them. */
export function printNotes(...notes: (string | undefined)[]): string[] {
  const present = notes.filter((note) => note !== undefined);
  for (const note of present) console.log(note);
  return present;
}
