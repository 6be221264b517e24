/** The numbers that name workers, slices and steps. Each kind has a type of its own, so that none is taken for another. */
import { z } from "zod";

const id = z.int().nonnegative();

/** Checks the number of a worker. */
export const workerIdSchema = id.brand<"WorkerId">();
/** Names a worker as long as its coordinator runs: a connection gets a new one, and none is used again. */
export type WorkerId = z.infer<typeof workerIdSchema>;

/** Checks the number of a slice. */
export const sliceIdSchema = id.brand<"SliceId">();
/** Names a slice of a step: its index among the slices of the global batch, from 0. */
export type SliceId = z.infer<typeof sliceIdSchema>;

/** Checks the number of a step. */
export const stepSchema = id.brand<"Step">();
/** Names an update of the weights: how many were made before it. */
export type Step = z.infer<typeof stepSchema>;

/** Returns `value` as a worker's id. @throws ZodError unless it is a safe integer of at least 0 */
export const toWorkerId = (value: number): WorkerId => workerIdSchema.parse(value);

/** Returns `value` as a slice's id. @throws ZodError unless it is a safe integer of at least 0 */
export const toSliceId = (value: number): SliceId => sliceIdSchema.parse(value);

/** Returns `value` as a step. @throws ZodError unless it is a safe integer of at least 0 */
export const toStep = (value: number): Step => stepSchema.parse(value);
