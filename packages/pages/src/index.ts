/** The pages package: answers to requests for pages, their scripts and their colours. */
export { bundleScript } from "./bundle.ts";
export { type Content, PAGE_HEADERS, type Pages, servePages } from "./pages.ts";
export { PALETTE } from "./palette.ts";
