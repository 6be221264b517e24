export { bundleScript } from "./bundle.ts";
export { answerPages, type Content, type Pages } from "./pages.ts";
