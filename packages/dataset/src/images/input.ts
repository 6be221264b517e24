/** From a picture's pixels to the input of a net, without anything of Node's, for pages as for `pnpm predict`. */
export { normalizeImage } from "./normalize.ts";
