/** Converts an image's pixels to a model's input. Nothing here needs Node, so web pages use it too. */
export { normalizeImage } from "./normalize.ts";
