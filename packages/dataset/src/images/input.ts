/** Turns a picture's pixels into the input of a net. Nothing here needs Node, so pages use it too. */
export { normalizeImage } from "./normalize.ts";
