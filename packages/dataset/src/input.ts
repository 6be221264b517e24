/** From a picture's pixels to the input of a net, without anything of Node's, for pages as for `decodeImage`. */
export { type MeanStd, normalizeImage } from "./normalize.ts";
export { cover, type Size } from "./resize.ts";
