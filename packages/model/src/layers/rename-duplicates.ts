/**
 * Renames layers with equal names in a saved model. TensorFlow.js finds each saved weight by its layer's name,
 * regardless of the nested model that contains the layer, so it cannot load two such layers of the same name.
 */
import { isModel, type Layer, layersOf, placedLayers } from "./layers.ts";

interface HasLayers {
  layers: Layer[];
}

/** A model's configuration in the form of `toJSON`. A Sequential has no connections. */
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

/** The layer that outputs a tensor, and the tensor's index. */
type Connection = [layer: string, ...place: unknown[]];

/**
 * Renames layers with weights whose names collide. Changes `config`; the layer objects keep their names.
 *
 * @returns the new name of each renamed layer
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

/** Returns the first of `fc_1`, `fc_2`, … that no layer has, and reserves it. */
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
