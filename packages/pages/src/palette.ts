/** The shared colours of all pages. */
import type { Content } from "./pages.ts";

/** The style sheet with the colours of all pages. */
export const PALETTE: Content = { file: new URL("../page/palette.css", import.meta.url) };
