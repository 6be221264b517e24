/** The pages package: serves pages, bundles their scripts, and defines their colours. */
export { bundleScript } from "./bundle.ts";
export { type Content, PAGE_HEADERS, type Pages, servePages } from "./pages.ts";
export { PALETTE } from "./palette.ts";
