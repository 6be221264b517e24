/**
 * Names that TensorFlow.js makes up for layers. It numbers them by all that the process ever made (`dense_Dense7`), so
 * they change from process to process. Whether a name was made up follows from the layer's class, not from how the name
 * looks: `stage_B1` was given. No module of TensorFlow.js is loaded here.
 */

/** This is what a layer's stable name follows from. */
export interface NamedLayer {
  name: string;
  className: string;
  /** True for a model, which holds layers. */
  isModel: boolean;
}

/** Returns the kind of layer in a made-up name (`dense`); undefined if the name was given. */
export function generatedKind({ name, className, isModel }: NamedLayer): string | undefined {
  const kind = snakeCase(className);
  if (!isModel) return isNumbered(name, `${kind}_${className}`) ? kind : undefined;
  if (isNumbered(name, "sequential_")) return "sequential"; // also of one that describes itself as a graph
  return isNumbered(name, className.toLowerCase()) ? className.toLowerCase() : undefined;
}

/**
 * Names for layers that stand side by side, the same in every process: the given ones, and for the others their kind
 * and position (`dense_3`), with one more number where a layer was given that name.
 */
export function stableNames(layers: readonly NamedLayer[]): string[] {
  const kinds = layers.map(generatedKind);
  const taken = new Set(layers.flatMap(({ name }, position) => (kinds[position] === undefined ? [name] : [])));
  return layers.map(({ name }, position) => {
    const kind = kinds[position];
    return kind === undefined ? name : uniqueName(`${kind}_${position}`, taken);
  });
}

/** Adds `name` to those that are taken, with `_1`, `_2` … after it if it was among them, and returns what it added. */
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
