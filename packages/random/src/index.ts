/** The random package: Philox4x32-10, and named streams of random numbers. */
export { philoxBlock } from "./philox.ts";
export { normals, type Place, permutation, randomWords, type Stream, uniforms } from "./streams.ts";
