/**
 * The options that choose the device of a run: kept in its folder, so that `--resume` alone goes on in the same way.
 */
import { z } from "zod";

/** Checks the machine options that a run's folder keeps. */
export const machineSchema = z.strictObject({
  backend: z.enum(["native", "webgpu", "wasm", "cpu"]).optional(),
  gpu: z.union([z.boolean(), z.int().nonnegative()]).optional(),
  threads: z.int().nonnegative().optional(),
});

/** The options that say which device computes. */
export type MachineOptions = z.infer<typeof machineSchema>;
