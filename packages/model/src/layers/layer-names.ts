/**
 * Recognizes layer names that TensorFlow.js generated. It numbers them over the life of the process (`dense_Dense7`),
 * so they differ between processes. A name is generated if it matches the layer's class: `stage_B1` is the user's. This
 * module does not load TensorFlow.js.
 */

/** The facts from which a layer's stable name is derived. */
export interface NamedLayer {
  name: string;
  className: string;
  /** True for a model, which contains layers. */
  isModel: boolean;
}

/** Returns the kind of layer in a generated name (`dense`); undefined if the name is the user's. */
export function generatedKind({ name, className, isModel }: NamedLayer): string | undefined {
  const kind = snakeCase(className);
  if (!isModel) return isNumbered(name, `${kind}_${className}`) ? kind : undefined;
  if (isNumbered(name, "sequential_")) return "sequential"; // also for one that describes itself as a graph
  return isNumbered(name, className.toLowerCase()) ? className.toLowerCase() : undefined;
}

/**
 * Returns names for the layers of one model that are the same in every process: the user's names, and otherwise kind
 * and position (`dense_3`), with a suffix if a layer already has that name.
 */
export function stableNames(layers: readonly NamedLayer[]): string[] {
  const kinds = layers.map(generatedKind);
  const taken = new Set(layers.flatMap(({ name }, position) => (kinds[position] === undefined ? [name] : [])));
  return layers.map(({ name }, position) => {
    const kind = kinds[position];
    return kind === undefined ? name : uniqueName(`${kind}_${position}`, taken);
  });
}

/** Makes a name unique with a suffix `_1`, `_2` … if necessary. Adds the result to `taken` and returns it. */
export function uniqueName(name: string, taken: Set<string>): string {
  let free = name;
  for (let count = 1; taken.has(free); count++) free = `${name}_${count}`;
  taken.add(free);
  return free;
}

const isNumbered = (name: string, prefix: string) =>
  name.startsWith(prefix) && /^[1-9]\d*$/.test(name.slice(prefix.length));

/** `DepthwiseConv2D` → `depthwise_conv2d`. Source: tfjs-layers' `toSnakeCase`. */
function snakeCase(className: string): string {
  const words = className.replaceAll(/(.)([A-Z][a-z0-9]+)/g, "$1_$2").replaceAll(/([a-z])([A-Z])/g, "$1_$2");
  return words.startsWith("_") ? `private${words.toLowerCase()}` : words.toLowerCase();
}
