/** A figure of a bench: a value of each side, and its formatting. */
import { median } from "../pairs/median.ts";

/** Unit of a figure. */
export type Unit = "ms" | "s" | "bytes" | "share";

/** A figure: for each side the median of the medians of its rounds. */
export interface Figure {
  /** Name on command lines, such as `step`. */
  id: string;
  /** Name in tables, such as "step of 64 images". */
  name: string;
  unit: Unit;
  /** Images per step, if images/s are meaningful. */
  images?: number;
  /** Value of Lockstep's side. */
  lockstep: number;
  /** Name of the side that Lockstep is compared with. @default PyTorch */
  peerName?: string;
  /** Value of the peer; undefined if there is none. */
  peer?: number;
  /** peer / lockstep: the speed-up of Lockstep. */
  ratio?: number;
  /** Median of each round. */
  rounds: { lockstep: number[]; peer: number[] };
}

/** Makes a figure. @param lockstep value of each round @param peer value of each round */
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

/** Formats a value with its unit: `612.3 ms`, `12.70 MB`, `21.3 %`. */
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

/** Formats a value, with the images per second if they are meaningful: `612.3 ms, 104.5 images/s`. */
export function valueWords(value: number, { unit, images }: Pick<Figure, "unit" | "images">): string {
  const words = withUnit(value, unit);
  return images === undefined ? words : `${words}, ${((images / value) * 1000).toFixed(1)} images/s`;
}

/** Formats a figure as lines: both sides with their rounds, and the ratio. */
export function linesOf(figure: Figure): string[] {
  const { name, unit, lockstep, peer, peerName = "PyTorch", ratio, rounds } = figure;
  const side = (sideName: string, value: number, raw: number[]) =>
    `  ${sideName.padEnd(8)} ${valueWords(value, figure)} (rounds: ${raw.map((one) => withUnit(one, unit)).join(", ")})`;
  const lines = [`${name}:`, side("Lockstep", lockstep, rounds.lockstep)];
  if (peer === undefined || ratio === undefined) return lines;
  return [...lines, side(peerName, peer, rounds.peer), `  ratio    ${ratio.toFixed(3)}`];
}
