/** The version of the numbers that this code computes. */

/**
 * The version of the arithmetic: everything that determines the bits of a run on a given device, that is the random
 * streams, the initial weights, the data and their augmentation, dropout, the loss, the sums and the update. All
 * workers of a run must have the same version.
 *
 * Increase it with every change of these bits, and add the new digest to test/src/arithmetic.test.ts, which fails if
 * the bits change without a new version.
 */
export const ARITHMETIC_VERSION = 2;
