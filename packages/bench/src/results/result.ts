/** The result of a bench: its figures and the measurements behind them, in one JSON file per run. */
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { LockstepError, messageOf } from "@lockstep/errors";
import { pathKind } from "@lockstep/files";
import { writeJson } from "@lockstep/run";
import { type Figure, linesOf } from "./figure.ts";
import { lockstepVersion } from "./lockstep-version.ts";

/** A measurement with its date, machine and versions. */
export interface BenchResult {
  /** `sync`, `network-1gbit`, … */
  bench: string;
  /** Command line of the bench. */
  command: string;
  /** ISO 8601. */
  date: string;
  machine: { cpu: string; cores: number; memoryGiB: number; platform: string };
  versions: Record<string, string>;
  setting: Record<string, unknown>;
  /** Notes for the reader, such as what was left out and why, or the measured rate of a link. */
  notes: string[];
  figures: Figure[];
  /** Every measured value. */
  raw: unknown;
}

/** The part of a result that a bench provides. */
export type Measurement = Pick<BenchResult, "bench" | "versions" | "setting" | "notes" | "figures" | "raw">;

/** Completes a measurement with date and machine, prints the figures, and writes them to `json` if it is given. */
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

/** Reads a result file. @throws LockstepError ERR_BENCH if no bench wrote it */
export function readResult(path: string): BenchResult {
  if (pathKind(path) === "folder")
    throw new LockstepError("ERR_BENCH", `Expected ${path} to be a file, got a folder. Give the path of a file in it.`);
  let result: Partial<BenchResult>;
  try {
    result = JSON.parse(readFileSync(path, "utf8")) as Partial<BenchResult>;
  } catch (cause) {
    throw new LockstepError("ERR_BENCH", `Cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
  const { bench, command, date, machine, versions, figures } = result;
  if (!bench || !command || !date || !machine || !versions || !Array.isArray(figures)) {
    const text = `Expected ${path} to be a file that \`pnpm bench … --json\` wrote, but one of bench, command, date, machine, versions and figures is missing.`;
    throw new LockstepError("ERR_BENCH", text);
  }
  return result as BenchResult;
}

/** Prints the notes that are defined, and returns them. */
export function printNotes(...notes: (string | undefined)[]): string[] {
  const present = notes.filter((note) => note !== undefined);
  for (const note of present) console.log(note);
  return present;
}
