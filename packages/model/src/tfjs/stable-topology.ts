/** Converts a topology to text that is the same in every process that builds the same model. */
import { createHash } from "node:crypto";
import type { TfjsTopology } from "@lockstep/formats";
import { generatedKind, type NamedLayer } from "../layers/layer-names.ts";

/**
 * Returns the JSON of a topology's layers and weights, without library versions. Names that TensorFlow.js generated
 * (see `generatedKind`) are numbered in order of appearance. Models with equal texts have the same layers,
 * connections and weight shapes.
 */
export function stableTopology({ modelTopology, weights }: TfjsTopology): string {
  const { keras_version: _, backend: __, ...layers } = modelTopology;
  const generated = generatedNames(modelTopology);
  const numbers = new Map<string, number>();
  const numbered = (name: string) => {
    if (!generated.has(name)) return name;
    if (!numbers.has(name)) numbers.set(name, numbers.size);
    return `#${numbers.get(name)}`;
  };
  const stable = (text: string) => text.split("/").map(numbered).join("/"); // a weight's name starts with its layer's
  return JSON.stringify({ ...layers, weights }, (_, value: unknown) => {
    return typeof value === "string" ? stable(value) : value;
  });
}

/** Returns the SHA-256 of the text, in hex, by which a run identifies its model. */
export function topologyDigest(topology: TfjsTopology): string {
  return createHash("sha256").update(stableTopology(topology)).digest("hex");
}

/** Returns the layer names in a topology that TensorFlow.js generated, and the names derived from them. */
function generatedNames(topology: unknown): Set<string> {
  const layers = namedLayersIn(topology);
  const own = layers.filter((layer) => generatedKind(layer) !== undefined).map(({ name }) => name);
  const inputs = layers.filter(({ className, name }) => className === "InputLayer" && /^input\d+$/.test(name));
  const derived = own.flatMap((name) => [`${name}_input`, `forward_${name}`, `backward_${name}`]);
  return new Set([...own, ...inputs.map(({ name }) => name), ...derived]);
}

/** Returns all layers and models in a topology: objects `{ class_name, config: { name } }` at any depth. */
function namedLayersIn(topology: unknown): NamedLayer[] {
  if (typeof topology !== "object" || topology === null) return [];
  const { class_name: className, config } = topology as { class_name?: unknown; config?: Record<string, unknown> };
  const inner = Object.values(topology).flatMap(namedLayersIn);
  const name = config?.["name"];
  if (typeof className !== "string" || typeof name !== "string") return inner;
  return [{ name, className, isModel: Array.isArray(config?.["layers"]) }, ...inner];
}
