/** From a picture's pixels to the input of a net, without anything of Node's, for pages as for `decodeImage`. */
export { normalizeImage } from "./normalize.ts";
export { cover, type Size } from "./resize.ts";
