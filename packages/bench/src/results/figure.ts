/** One figure of a bench: a number of each side, and how it is written. */
import { median } from "../pairs/median.ts";

/** Unit that a figure counts in. */
export type Unit = "ms" | "s" | "bytes" | "share";

/** A figure is one number of each side: the median over the rounds of the medians of each round. */
export interface Figure {
  /** Names it on command lines: `step`. */
  id: string;
  /** Says in a table what it is: "step of 64 images". */
  name: string;
  unit: Unit;
  /** Images of a step, where images/s say something. */
  images?: number;
  lockstep: number;
  /** Name of the peer that was measured beside. @default PyTorch */
  peerName?: string;
  /** The peer's; absent where there is none to compare with. */
  peer?: number;
  /** peer / lockstep: how many times as fast Lockstep is. */
  ratio?: number;
  /** The median of each round. */
  rounds: { lockstep: number[]; peer: number[] };
}

/** Makes a figure. @param lockstep and `peer`: what each round came to */
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

/** Returns a value in words: `612.3 ms`, `12.70 MB`, `21.3 %` */
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

/** Returns a value with what follows from it: `612.3 ms, 104.5 images/s` */
export function valueWords(value: number, { unit, images }: Pick<Figure, "unit" | "images">): string {
  const words = withUnit(value, unit);
  return images === undefined ? words : `${words}, ${((images / value) * 1000).toFixed(1)} images/s`;
}

/** Returns the lines that tell a figure: both sides with their rounds, and the ratio. */
export function linesOf(figure: Figure): string[] {
  const { name, unit, lockstep, peer, peerName = "PyTorch", ratio, rounds } = figure;
  const side = (sideName: string, value: number, raw: number[]) =>
    `  ${sideName.padEnd(8)} ${valueWords(value, figure)} (rounds: ${raw.map((one) => withUnit(one, unit)).join(", ")})`;
  const lines = [`${name}:`, side("Lockstep", lockstep, rounds.lockstep)];
  if (peer === undefined || ratio === undefined) return lines;
  return [...lines, side(peerName, peer, rounds.peer), `  ratio    ${ratio.toFixed(3)}`];
}
