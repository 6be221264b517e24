/** A topology as text that is the same in every process that made the same model. */
import { createHash } from "node:crypto";
import { isMadeUpName } from "./layers.ts";
import type { TfjsTopology } from "./tfjs-files.ts";

/**
 * The JSON of a topology's layers and weights, without versions of libraries, where names that TensorFlow.js made up (`dense_Dense3`: it numbers all that a process ever
 * made) are numbered in the order in which they stand. Two models of one text have the same layers, connected alike, and
 * the same weights.
 */
export function stableTopology({ modelTopology, weights }: TfjsTopology): string {
  const { keras_version: _, backend: __, ...layers } = modelTopology;
  const numbers = new Map<string, number>();
  const numbered = (name: string) => {
    if (!isMadeUpName(name) && !isInputName(name)) return name;
    if (!numbers.has(name)) numbers.set(name, numbers.size);
    return `#${numbers.get(name)}`;
  };
  const stable = (text: string) => text.split("/").map(numbered).join("/"); // a weight's name begins with its layer's
  return JSON.stringify({ ...layers, weights }, (_, value: unknown) => {
    return typeof value === "string" ? stable(value) : value;
  });
}

/** SHA-256, in hex, of the text: what a run remembers of its model. */
export function topologyDigest(topology: TfjsTopology): string {
  return createHash("sha256").update(stableTopology(topology)).digest("hex");
}

/** Of a layer that stands for the model's input: `input1`, `conv2d_Conv2D1_input`. */
function isInputName(name: string): boolean {
  return /^input\d+$/.test(name) || (name.endsWith("_input") && isMadeUpName(name.slice(0, -"_input".length)));
}
