/**
 * The options that choose the device of a run. They are saved in its folder, so that a plain `--resume` reuses them.
 */
import { z } from "zod";

/** Schema of the machine options in a run's config.json. */
export const machineSchema = z.strictObject({
  backend: z.enum(["native", "webgpu", "wasm", "cpu"]).optional(),
  gpu: z.union([z.boolean(), z.int().nonnegative()]).optional(),
  threads: z.int().nonnegative().optional(),
});

/** Options that choose the device. */
export type MachineOptions = z.infer<typeof machineSchema>;
