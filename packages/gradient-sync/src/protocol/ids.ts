/** Branded ids of workers, slices and steps, so that the compiler tells them apart. */
import { z } from "zod";

const id = z.int().nonnegative();

/** Checks a worker's id. */
export const workerIdSchema = id.brand<"WorkerId">();
/** Identifies a worker while its coordinator runs. Each connection gets a new id; ids are never reused. */
export type WorkerId = z.infer<typeof workerIdSchema>;

/** Checks a slice's id. */
export const sliceIdSchema = id.brand<"SliceId">();
/** Identifies a slice of a step: its index among the slices of the global batch, from 0. */
export type SliceId = z.infer<typeof sliceIdSchema>;

/** Checks the number of a step. */
export const stepSchema = id.brand<"Step">();
/** Identifies an update of the weights by the number of updates before it. */
export type Step = z.infer<typeof stepSchema>;

/** Returns `value` as a worker's id. @throws ZodError unless it is a safe integer of at least 0 */
export const toWorkerId = (value: number): WorkerId => workerIdSchema.parse(value);

/** Returns `value` as a slice's id. @throws ZodError unless it is a safe integer of at least 0 */
export const toSliceId = (value: number): SliceId => sliceIdSchema.parse(value);

/** Returns `value` as a step. @throws ZodError unless it is a safe integer of at least 0 */
export const toStep = (value: number): Step => stepSchema.parse(value);
