/** What a bench found: figures to compare, and everything that they come from. One JSON file for each run of one. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { version } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import { kindOfPath } from "@lockstep/files";
import { writeJson } from "@lockstep/run";
import { median } from "../pairs/median.ts";

export type Unit = "ms" | "s" | "bytes" | "share";

/** One number of each side: the median over the rounds of the medians of each round. */
export interface Figure {
  /** Names it on command lines: `step`. */
  id: string;
  /** Says in a table what it is: "step of 64 images". */
  name: string;
  unit: Unit;
  /** Images of a step, where images/s say something. */
  images?: number;
  lockstep: number;
  /** Who else was measured. @default PyTorch */
  peerName?: string;
  /** The peer's; absent where there is none to compare with. */
  peer?: number;
  /** peer / lockstep: how many times as fast Lockstep is. */
  ratio?: number;
  /** The median of each round. */
  rounds: { lockstep: number[]; peer: number[] };
}

export interface BenchResult {
  /** `sync`, `network-1gbit`, … */
  bench: string;
  /** What was typed. */
  command: string;
  /** ISO 8601. */
  date: string;
  machine: { cpu: string; cores: number; memoryGiB: number; platform: string };
  versions: Record<string, string>;
  setting: Record<string, unknown>;
  /** What a reader has to know: what was left out and why, what a link really carried. */
  notes: string[];
  figures: Figure[];
  /** Every measured value. */
  raw: unknown;
}

/** @param lockstep and `peer`: what each round came to */
export function figure(
  what: Pick<Figure, "id" | "name" | "unit" | "images" | "peerName">,
  lockstep: number[],
  peer: number[] = [],
): Figure {
  const rounds = { lockstep, peer };
  const [ours, theirs] = [median(lockstep), peer.length === 0 ? undefined : median(peer)];
  const compared = theirs === undefined ? {} : { peer: theirs, ratio: theirs / ours };
  return { ...what, lockstep: ours, ...compared, rounds };
}

export type Found = Pick<BenchResult, "bench" | "versions" | "setting" | "notes" | "figures" | "raw">;

/** Adds when and where, prints the figures, and writes the file if there is to be one. */
export function publish(found: Found, json: string | undefined): void {
  const result: BenchResult = {
    bench: found.bench,
    command: `pnpm ${process.argv.slice(2).join(" ")}`,
    date: new Date().toISOString(),
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      platform: `${process.platform} ${release()}`,
    },
    versions: { lockstep: lockstepVersion(), node: process.version, ...found.versions },
    setting: found.setting,
    notes: found.notes,
    figures: found.figures,
    raw: found.raw,
  };
  console.log(result.figures.flatMap(linesOf).join("\n"));
  if (json !== undefined) writeJson(json, result);
}

/** @throws LockstepError ERR_BENCH if the file isn't one that a bench wrote */
export function readResult(path: string): BenchResult {
  if (kindOfPath(path) === "folder") throw new LockstepError("ERR_BENCH", `${path} is a folder; name a file in it.`);
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

/** `612.3 ms`, `12.70 MB`, `21.3 %` */
export function withUnit(value: number, unit: Unit): string {
  switch (unit) {
    case "ms":
      return `${value.toFixed(1)} ms`;
    case "s":
      return `${value.toFixed(2)} s`;
    case "bytes":
      return `${(value / 1e6).toFixed(2)} MB`;
    case "share":
      return `${(value * 100).toFixed(1)} %`;
  }
}

/** `612.3 ms, 104.5 images/s` */
export function valueWords(value: number, { unit, images }: Pick<Figure, "unit" | "images">): string {
  const words = withUnit(value, unit);
  return images === undefined ? words : `${words}, ${((images / value) * 1000).toFixed(1)} images/s`;
}

/** The notes that there are, printed. */
export function tellNotes(...notes: (string | undefined)[]): string[] {
  const there = notes.filter((note) => note !== undefined);
  for (const note of there) console.log(note);
  return there;
}

function linesOf(figure: Figure): string[] {
  const { name, unit, lockstep, peer, peerName = "PyTorch", ratio, rounds } = figure;
  const side = (who: string, value: number, raw: number[]) =>
    `  ${who.padEnd(8)} ${valueWords(value, figure)} (rounds: ${raw.map((one) => withUnit(one, unit)).join(", ")})`;
  const lines = [`${name}:`, side("Lockstep", lockstep, rounds.lockstep)];
  if (peer === undefined || ratio === undefined) return lines;
  return [...lines, side(peerName, peer, rounds.peer), `  ratio    ${ratio.toFixed(3)}`];
}

/** `0.1.0 (6212323)`, with a + for changes that are in no commit. */
function lockstepVersion(): string {
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", import.meta.dirname, ...args], { encoding: "utf8", stdio: "pipe" }).trim();
  try {
    const changed = git("status", "--porcelain", "--untracked-files=no") !== "";
    return `${version} (${git("rev-parse", "--short", "HEAD")}${changed ? "+" : ""})`;
  } catch {
    return version; // no repository, or no git
  }
}
