export { philoxBlock } from "./philox.ts";
export { normals, type Place, permutation, randomWords, type Stream, uniforms } from "./streams.ts";
