/** The rules by which initial weights are drawn. */

/** The distribution from which initial weights are drawn; docs/models.md describes each. */
export type Init = "pytorch" | "he" | "paper";

/** The rule if the user chooses none. */
export const DEFAULT_INIT: Init = "pytorch";
