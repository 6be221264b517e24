/** The lines at the start of a run about the weights, optimizer and loss that the model's module has set. */
import type { RunConfig } from "@lockstep/config";

/** Weights and compile() settings that the user's module has set. */
export interface ModuleSettings {
  /** How many of the model's `total` weights its module loaded or set. */
  written: number;
  total: number;
  /** The initialization that draws the other weights if --init is absent. */
  defaultInit: string;
  /** "the optimizer Adam and the loss meanSquaredError", if the module has compiled the model. */
  compiled?: string | undefined;
}

/** Returns a line about the weights if the module set any, and a line about `compile()` if it compiled the model. */
export function moduleSettingsLines(config: RunConfig, moduleSettings: ModuleSettings): string[] {
  return [weightsLine(config, moduleSettings), compiledLine(config, moduleSettings)].filter(
    (line) => line !== undefined,
  );
}

function weightsLine({ init, initFrom, seed }: RunConfig, { written, total }: ModuleSettings): string | undefined {
  if (written === 0) return undefined;
  const unused = "the weights that the model's module loaded or set are not used";
  if (initFrom !== undefined) return `weights: from ${initFrom}; ${unused}`;
  if (init !== undefined) return `weights: ${init} init, seed ${seed}, because of --init; ${unused}`;
  const provided = "loaded or set by the model's module";
  if (written === total) return `weights: ${provided} (--init draws new ones)`;
  return `weights: ${written} of ${total} ${provided}, the others drawn with seed ${seed} (--init draws all of them)`;
}

function compiledLine({ lr, momentum, weightDecay }: RunConfig, { compiled }: ModuleSettings): string | undefined {
  if (compiled === undefined) return undefined;
  const sgd = `SGD (learning rate ${lr}, momentum ${momentum}, weight decay ${weightDecay})`;
  return `compile: ${compiled} are not used; training uses ${sgd} and softmax cross-entropy instead`;
}
