/** The random package: Philox4x32-10, and named streams of random numbers. */
export { normals, type Place, permutation, randomWords, type Stream, uniforms } from "./streams.ts";
