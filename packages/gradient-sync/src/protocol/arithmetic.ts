/** Which numbers this code computes from the same configuration, seed and data. */

/**
 * The version of the arithmetic: everything that decides the bits of a run on a given device. That is the random
 * streams, the initial weights, the data and their augmentation, dropout, the loss, the sums and the update. Workers of
 * one run must have the same one.
 *
 * Raise it with every change of these bits, and add the new digest to test/src/arithmetic.test.ts, which
 * fails if bits change under an old number.
 */
export const ARITHMETIC_VERSION = 1;
