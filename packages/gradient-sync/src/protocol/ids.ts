/** Branded ids of workers, subtrees and steps, so that the compiler tells them apart. */
import { z } from "zod";

const id = z.int().nonnegative();

/** Checks a worker's id. */
export const workerIdSchema = id.brand<"WorkerId">();
/** Identifies a worker while its coordinator runs. Each connection gets a new id; ids are never reused. */
export type WorkerId = z.infer<typeof workerIdSchema>;

/** Checks a subtree's id. */
export const subtreeIdSchema = id.brand<"SubtreeId">();
/** Identifies a subtree of a step: its index among the subtrees that are computed as one, in slice order, from 0. */
export type SubtreeId = z.infer<typeof subtreeIdSchema>;

/** Checks the number of a step. */
export const stepSchema = id.brand<"Step">();
/** Identifies an update of the weights by the number of updates before it. */
export type Step = z.infer<typeof stepSchema>;

/** Returns `value` as a worker's id. @throws ZodError unless it is a safe integer of at least 0 */
export const toWorkerId = (value: number): WorkerId => workerIdSchema.parse(value);

/** Returns `value` as a subtree's id. @throws ZodError unless it is a safe integer of at least 0 */
export const toSubtreeId = (value: number): SubtreeId => subtreeIdSchema.parse(value);

/** Returns `value` as a step. @throws ZodError unless it is a safe integer of at least 0 */
export const toStep = (value: number): Step => stepSchema.parse(value);
