/**
 * TensorFlow.js finds each saved weight by the name of its layer, whichever model inside the model holds that layer; so
 * layers of one name in two models inside cannot be loaded. Here all but one get other names, in the saved description.
 */
import { isModel, type Layer, layersOf, placedLayers } from "./layers.ts";

interface HasLayers {
  layers: Layer[];
}

/** A model's configuration, as `toJSON` gives it. A Sequential has no connections. */
export interface ModelConfig {
  layers: LayerJson[];
  input_layers?: Connection[];
  output_layers?: Connection[];
}

interface LayerJson {
  name?: string;
  config: { name: string } & Partial<ModelConfig>;
  inbound_nodes?: Connection[][];
}

/** The layer that a tensor comes from, and which tensor of it. */
type Connection = [layer: string, ...place: unknown[]];

/**
 * Renames layers with weights whose names collide. The names change in `config`, and the layers keep theirs.
 *
 * @returns the new name of each layer that has one
 */
export function renameDuplicates(model: HasLayers, config: ModelConfig): Map<Layer, string> {
  const newNames = new Map<Layer, string>();
  const known = new Set(placedLayers(model).flatMap(({ layer, path }) => [layer.name, ...path]));
  const seen = new Set<string>();
  for (const layer of layersOf(model)) {
    if (layer.weights.length === 0) continue;
    if (seen.has(layer.name)) newNames.set(layer, unusedName(layer.name, known));
    seen.add(layer.name);
  }
  if (newNames.size > 0) rename(model, config, newNames);
  return newNames;
}

/** `fc_1`, `fc_2`, …: the first that no layer has; no other layer gets it from now on. */
function unusedName(name: string, known: Set<string>): string {
  let count = 1;
  while (known.has(`${name}_${count}`)) count++;
  known.add(`${name}_${count}`);
  return `${name}_${count}`;
}

function rename({ layers }: HasLayers, config: ModelConfig, newNames: ReadonlyMap<Layer, string>): void {
  const changed = new Map<string, string>();
  for (const json of config.layers) {
    const layer = layers.find(({ name }) => name === json.config.name);
    if (layer === undefined) continue; // the input of a Sequential that describes itself as a graph
    if (isModel(layer)) rename(layer, json.config as ModelConfig, newNames);
    const newName = newNames.get(layer);
    if (newName === undefined) continue;
    changed.set(layer.name, newName);
    json.config.name = newName;
    if (json.name !== undefined) json.name = newName;
  }
  const inbound = config.layers.flatMap(({ inbound_nodes = [] }) => inbound_nodes.flat());
  for (const connection of [...inbound, ...(config.input_layers ?? []), ...(config.output_layers ?? [])]) {
    connection[0] = changed.get(connection[0]) ?? connection[0];
  }
}
